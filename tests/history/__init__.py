"""The checker of histories: what the ten invariants say of all that a run has left behind."""
