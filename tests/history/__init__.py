"""The checker of histories: what the nine invariants say of all that a run has left behind."""
