"""Wires the parts together; no other package does."""
