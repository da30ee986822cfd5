"""What is asked of the queue, what it gives, and what it is told at the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.task import Status, task_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.domain.attempt_protocol import Level


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is asked for. `priority_class` as in `app.domain.priority`; `fire_time` only for the schedule's tasks.

    `backfill` is the `app.domain.interval.Interval` that is to be loaded, as text; None for a sync.
    """

    source: str
    collection: str
    source_type: str
    trigger: str
    priority_class: int
    max_attempts: int
    fire_time: datetime | None = None
    backfill: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.collection


class Claim(msgspec.Struct, frozen=True, gc=False):
    """One attempt, given to one worker. `failures` counts the attempts that failed before it.

    `number` is the claim's own. It grows with every claim of a collection, and no other claim has it, even where the
    database has forgotten one and gives the same attempt out again.
    The fields stand in the order of the statements' columns.
    """

    source: str
    collection: str
    task: UUID
    attempt: int
    number: int
    failures: int
    max_attempts: int
    cancel_requested: bool
    at: datetime
    generation: int
    backfill: str | None = None

    @property
    def task_id(self) -> str:
        return task_id(self.source, self.collection, self.task)

    @property
    def key(self) -> tuple[UUID, int]:
        return self.task, self.number


class NumberedLine(msgspec.Struct, frozen=True, gc=False):
    """A line of an attempt's log. `written` is the worker's monotonic clock, in seconds: only its age is stored."""

    line: int
    written: float
    level: Level
    message: str


class Ending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How an attempt ended: the event, the status it leads to and those lines of its log that are not stored yet.

    The last line tells how it ended. `delay` is the time until the next attempt where there is one; `if_canceled` the
    ending that stands instead of one that leads back into the queue, when somebody has asked for the task's
    cancellation meanwhile.
    """

    claim: Claim
    type: str
    status: Status
    lines: Sequence[NumberedLine]
    error: str | None = None
    delay: timedelta = timedelta()
    details: Mapping[str, Any] = {}
    if_canceled: Ending | None = None
