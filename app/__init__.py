"""Syncline: copies collections on a schedule and records every step in PostgreSQL."""
