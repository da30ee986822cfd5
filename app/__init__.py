"""Syncline: collections kept in sync on schedule, every step remembered in PostgreSQL."""
