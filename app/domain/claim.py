"""The values that go into and come out of the queue: requested tasks, claims, and endings of attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.domain.cause import NO_CAUSE, Cause
from app.domain.pool import DEFAULT_POOL
from app.domain.task import Status, task_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.domain.attempt_protocol import Level

# What a request for a sync says beside the names of the collection.
_REQUESTED: Final = ("source_type", "trigger", "priority_class", "max_attempts", "pool")


@dataclass(frozen=True, slots=True)
class NewTask:
    """A requested task. `priority_class` is as in `app.domain.priority`; only tasks of schedules have a `fire_time`.

    `backfill` is the `app.domain.interval.Interval` to load, as text; None for a sync.
    """

    source: str
    collection: str
    source_type: str
    trigger: str
    priority_class: int
    max_attempts: int
    fire_time: datetime | None = None
    backfill: str | None = None
    pool: str = DEFAULT_POOL
    cause: Cause = NO_CAUSE

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.collection

    @property
    def request(self) -> dict[str, Any]:
        """The request for a sync, as it is stored until the active task of its collection has ended."""
        return {name: getattr(self, name) for name in _REQUESTED} | self.cause.data

    @classmethod
    def requested(cls, source: str, collection: str, request: Mapping[str, Any]) -> NewTask:
        """The task of such a request."""
        said = {name: request[name] for name in _REQUESTED}
        return cls(source=source, collection=collection, cause=Cause.of(request), **said)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """One attempt, assigned to one worker. `failures` is the number of failed attempts before it.

    `number` is unique, and increases with every claim of a collection, even if the database has lost a claim and
    assigns the same attempt again. The fields are in the order of the statements' columns.
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
    """A line of an attempt's log. `written` is the worker's monotonic clock in seconds, which gives the line's age.

    `system` is the program that has written it, None for Syncline itself.
    """

    line: int
    written: float
    level: Level
    message: str
    system: str | None = None


class Ending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How an attempt ended: the event, the task's new status, and the last lines of its log, which are not stored yet.

    `line` is the event's own number in the log, the one after all lines. `delay` is the time until the next attempt, if
    there is one. `if_canceled` replaces an ending that queues the task again, if its cancellation was
    requested meanwhile.
    """

    claim: Claim
    type: str
    status: Status
    line: int
    lines: Sequence[NumberedLine] = ()
    error: str | None = None
    delay: timedelta = timedelta()
    details: Mapping[str, Any] = {}
    if_canceled: Ending | None = None
