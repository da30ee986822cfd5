"""Paths of the API."""

from __future__ import annotations

from urllib.parse import quote


def path_of(*parts: str) -> str:
    """A path of these parts, whatever characters they have."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)
