"""The order of tasks: a higher class first, within a class the older task first.

A task's priority is its class times 10^12 minus the Unix time of its creation; the highest is claimed first. The store
computes it, because the database's clock decides when a task was created.
"""

from __future__ import annotations

from enum import IntEnum


class PriorityClass(IntEnum):
    """The class of a task, which depends on what requested it."""

    API = 300
    SCHEDULE = 200
    LOW = 100
