"""Which task goes first: those of the higher class, within a class the older ones.

A task's priority is its class times 10^12 less the unix seconds of its creation; the greatest is claimed first. The
store computes it, because only the database's clock knows when a task was created.
"""

from __future__ import annotations

from enum import IntEnum


class PriorityClass(IntEnum):
    """Who asked for the task."""

    API = 300
    SCHEDULE = 200
    LOW = 100
