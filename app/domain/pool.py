"""Pools: a source is in one, and a worker takes only the tasks of its pools."""

from __future__ import annotations

from typing import Final

DEFAULT_POOL: Final = "default"

EVERY_POOL: Final[tuple[str, ...]] = ()
"""The pools of a worker that takes every task."""
