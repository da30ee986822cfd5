"""The checker of histories: what the eleven invariants say of all that a run has left behind."""
