"""Which task goes first: those of the higher class, within a class the older ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum

_CLASS_WEIGHT = 10**12  # more than any creation time in seconds, so that classes never mix
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PriorityClass(IntEnum):
    """Who asked for the task."""

    API = 300
    SCHEDULE = 200
    LOW = 100


def task_priority(priority_class: PriorityClass, created_at: datetime) -> int:
    """Class times 10^12, less the unix seconds of creation (an aware time); the greater number is claimed first."""
    return priority_class * _CLASS_WEIGHT - (created_at - _EPOCH) // timedelta(seconds=1)
