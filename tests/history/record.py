"""What a run has left behind, as plain values: read once, then judged without a database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from app.domain import events
from app.domain.errors import SynclineError
from app.domain.feed import Place
from app.domain.task import Task, fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from app.domain.events import Event

Key = tuple[str, str]
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and the transaction that appended it."""

    event: Event
    xid: int


@dataclass(frozen=True, slots=True)
class Line:
    """A log line of an attempt."""

    task: UUID
    attempt: int
    line: int
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class FireTime:
    """A row of the ledger."""

    source: str
    collection: str
    fire_time: datetime
    outcome: str
    reason: str | None
    task: UUID | None
    decided_at: datetime

    @property
    def key(self) -> Key:
        return self.source, self.collection


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule as it stands; `steady` when nobody has changed it while the history was made."""

    source: str
    collection: str
    expression: str
    timezone: str
    next_fire_at: datetime | None
    active: bool
    steady: bool = True

    @property
    def key(self) -> Key:
        return self.source, self.collection


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker's lease."""

    worker: UUID
    pid: int
    state: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Projections:
    """The inline projections, row by row, with the columns of their tables."""

    tasks: Sequence[Mapping[str, Any]] = ()
    collections: Sequence[Mapping[str, Any]] = ()
    bookmarks: Sequence[Mapping[str, Any]] = ()
    table_schemas: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line that the API has shown to a client."""

    task: UUID
    message: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Tasks, log lines and events, by their ids in the feed, that clients may know of."""

    tasks: Mapping[UUID, Key] = field(default_factory=dict)
    lines: frozenset[Line] = frozenset()
    events: frozenset[str] = frozenset()

    def __sub__(self, other: Acknowledged) -> Acknowledged:
        """What the other one lacks."""
        lacked = {task: key for task, key in self.tasks.items() if task not in other.tasks}
        return Acknowledged(lacked, self.lines - other.lines, self.events - other.events)

    def __or__(self, other: Acknowledged) -> Acknowledged:
        """What one of them has."""
        return Acknowledged({**self.tasks, **other.tasks}, self.lines | other.lines, self.events | other.events)


@dataclass(frozen=True, slots=True)
class Copied:
    """A collection and what a destination has of it: how often each record's id, and the bookmark beside the rows.

    `complete` when a sync has succeeded after the source changed last, and none runs.
    """

    source: str
    collection: str
    destination: str
    wanted: frozenset[int]
    found: Mapping[int, int]
    bookmark: int | None
    complete: bool


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction of a worker that was seen open for `age` while nothing was being done to it from outside."""

    application: str
    age: timedelta
    statement: str


@dataclass(frozen=True, slots=True)
class Drain:
    """A worker process was told to stop at `began` and was gone at `ended` with this exit code."""

    pid: int
    began: datetime
    ended: datetime
    exit_code: int


@dataclass(frozen=True)
class History:
    """All of it. `events` of tasks in the order of (task, version), `lines` of (task, attempt, line).

    `facts` are the events beside the tasks, in the order of their ids.

    `posted` are the tasks that the API has promised to callers; `followed` the ids of the events that a consumer of the
    feed has got, in its order; `logged` how many lines a successful attempt of a collection writes itself, where that
    is known; `may_fail` the collections whose tasks are made to fail; `kept_since` the time before which ended tasks
    may have been dropped; `changed` the changes of recorded events that the database did not refuse; `drifts` what
    `syncline projections verify` has found; `lease` for how long a worker has its lease; `forgotten` what a server had
    committed, and a standby that was promoted in its place lacked.
    """

    events: Sequence[StoredEvent]
    facts: Sequence[StoredEvent] = ()
    lines: Sequence[Line] = ()
    fire_times: Sequence[FireTime] = ()
    schedules: Sequence[ScheduleRow] = ()
    workers: Sequence[WorkerRow] = ()
    projections: Projections | None = None
    posted: Sequence[UUID] = ()
    shown: Sequence[ShownLine] = ()
    followed: Sequence[str] | None = None
    logged: Mapping[Key, int] = field(default_factory=dict)
    copied: Sequence[Copied] = ()
    transactions: Sequence[OpenTransaction] = ()
    drains: Sequence[Drain] = ()
    may_fail: frozenset[Key] | None = None
    kept_since: datetime | None = None
    changed: Sequence[str] = ()
    drifts: Sequence[str] = ()
    lease: timedelta = timedelta(seconds=10)
    forgotten: Acknowledged = field(default_factory=Acknowledged)

    @cached_property
    def streams(self) -> dict[UUID, list[Event]]:
        streams: dict[UUID, list[Event]] = {}
        for stored in self.events:
            streams.setdefault(stored.event.task, []).append(stored.event)
        return streams

    @cached_property
    def tasks(self) -> dict[UUID, Task]:
        """Every stream that is a legal life, folded."""
        folded = ((task, folded_or_none(stream)) for task, stream in self.streams.items())
        return {task: found for task, found in folded if found is not None}

    @cached_property
    def last_xid(self) -> dict[UUID, int]:
        return {stored.event.task: stored.xid for stored in self.events}

    @cached_property
    def pauses(self) -> dict[Key, list[tuple[datetime, datetime]]]:
        """When each collection was paused: from a pause to its end, or to the next change of it."""
        open_: dict[Key, tuple[datetime, datetime]] = {}
        found: dict[Key, list[tuple[datetime, datetime]]] = {}
        for stored in sorted(self.facts, key=lambda fact: fact.xid):
            event = stored.event
            if event.type not in {events.COLLECTION_PAUSED, events.COLLECTION_RESUMED}:
                continue
            key = event.data["source"], event.data.get("collection", "")
            if before := open_.pop(key, None):
                found.setdefault(key, []).append((before[0], min(before[1], event.at)))
            if event.type == events.COLLECTION_PAUSED:
                until = event.data.get("until")
                open_[key] = event.at, datetime.fromisoformat(until) if until else _NEVER
        for key, last in open_.items():
            found.setdefault(key, []).append(last)
        return found

    @cached_property
    def feed(self) -> list[str]:
        """The ids of all events, in the order of the feed."""
        stored = (*self.events, *self.facts)
        return [*map(str, sorted(Place.of(one.xid, one.event.task, one.event.version, one.event.at) for one in stored))]

    def with_(self, **changed: Any) -> History:
        """The same history but for some parts."""
        return replace(self, **changed)


def folded_or_none(stream: Sequence[Event]) -> Task | None:
    try:
        return fold(stream)
    except (SynclineError, KeyError, ValueError):
        return None
