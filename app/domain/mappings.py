"""Mappings in documents of others, which may have anything anywhere."""

from __future__ import annotations

from typing import Any


def mapping_of(value: Any) -> dict[Any, Any]:
    """The value, if it is a mapping; otherwise an empty one."""
    return value if isinstance(value, dict) else {}
