"""The life of a task: which event may follow which, and the state of a task after its events.

    SCHEDULED ── TaskStarted ──▶ RUNNING ── TaskSucceeded ──▶ SUCCESS
        ▲ │                        │ │ └─── TaskFailed ─────▶ FAILED
        │ └── TaskCanceled ─▶ CANCELED ◀── TaskCanceled ──┘
        └── AttemptFailed, AttemptRescued, AttemptHandedBack ──┘

`evolve` is the definition. The store's SQL maintains the same rows incrementally; rebuilds, verification and tests
compare it with this fold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.domain import events
from app.domain.errors import SynclineError
from app.domain.pool import DEFAULT_POOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.domain.events import Event


class Status(StrEnum):
    """A task's status, as the API shows it."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


_UUID_LENGTH: Final = 36
TERMINAL: Final = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED})


class IllegalTransitionError(SynclineError):
    """An event cannot follow the events before it."""


@dataclass(frozen=True, slots=True)
class Task:
    """The state of a task: its row in `tasks` when it has ended, and in its collection's row while it is the last one.

    `backfill` is the `Interval` that it loads, as text; None for a sync. `claim` is the number of the last claim, 0
    before the first one. `line` is that of the event that gave it its status, if that is a line of its log. `again` is
    the request for the task that is to follow it (see `NewTask.request`).
    """

    task: UUID
    source: str
    collection: str
    source_type: str
    trigger: str
    fire_time: datetime | None
    priority: int
    max_attempts: int
    status: Status
    attempt: int
    failures: int
    rows: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    run_at: datetime
    worker: UUID | None
    cancel_requested: bool
    changed_at: datetime
    backfill: str | None = None
    claim: int = 0
    pool: str = DEFAULT_POOL
    line: int | None = None
    again: Mapping[str, Any] | None = None

    @property
    def task_id(self) -> str:
        return task_id(self.source, self.collection, self.task)


def task_id(source: str, collection: str, task: UUID) -> str:
    """The id that users see. It is unique because of the UUID: `a_b` + `c` and `a` + `b_c` do not collide."""
    return f"{source}_{collection}_{task}"


def log_prefix(task_id: str) -> str:
    """What stands before every message of a task's log."""
    return f"[{task_id}] "


def uuid_in(id_: str) -> UUID:
    """The UUID at the end of a task's id, or the UUID alone.

    Raises:
        ValueError: it is neither.
    """
    return UUID(id_[-_UUID_LENGTH:])


def fold(stream: Iterable[Event]) -> Task | None:
    """The task after all its events, oldest first; None if there are none."""
    task: Task | None = None
    for event in stream:
        task = evolve(task, event)
    return task


def evolve(task: Task | None, event: Event) -> Task:
    """The task after one more event.

    Raises:
        IllegalTransitionError: the event cannot follow, or its version leaves a gap. Unknown types only increment the
            version, so that old and new replicas can run side by side.
    """
    if task is None:
        return _scheduled(event)
    if event.version != task.version + 1:
        raise IllegalTransitionError(f"task {task.task}: version {event.version} cannot follow version {task.version}")
    allowed, change = _TRANSITIONS.get(event.type, (frozenset(Status), _unchanged))
    if task.status not in allowed:
        raise IllegalTransitionError(f"task {task.task}: {event.type} cannot follow while the task is {task.status}")
    return replace(change(task, event), version=event.version, changed_at=event.at)


def _scheduled(event: Event) -> Task:
    if event.type != events.TASK_SCHEDULED or event.version != 1:
        raise IllegalTransitionError(f"task {event.task}: {event.type}, version {event.version}, cannot begin a stream")
    request = event.data
    fire_time = request.get("fire_time")
    return Task(
        task=event.task,
        source=request["source"],
        collection=request["collection"],
        source_type=request["source_type"],
        trigger=request["trigger"],
        fire_time=datetime.fromisoformat(fire_time) if fire_time else None,
        priority=request["priority"],
        max_attempts=request["max_attempts"],
        status=Status.SCHEDULED,
        attempt=0,
        failures=0,
        rows=0,
        error=None,
        created_at=event.at,
        started_at=None,
        finished_at=None,
        version=1,
        run_at=event.at,
        worker=None,
        cancel_requested=False,
        changed_at=event.at,
        backfill=request.get("backfill"),
        pool=request.get("pool", DEFAULT_POOL),
    )


def _unchanged(task: Task, _event: Event) -> Task:
    return task


def _started(task: Task, event: Event) -> Task:
    return replace(
        task,
        status=Status.RUNNING,
        attempt=event.attempt,
        worker=event.worker,
        started_at=task.started_at or event.at,
        # Releases before 0.1.1 claimed without a number, and did not change it.
        claim=event.data.get("claim", task.claim),
        line=event.line,
    )


def _bookmark_saved(task: Task, event: Event) -> Task:
    return replace(task, rows=task.rows + event.data["rows"])


def _cancel_requested(task: Task, _event: Event) -> Task:
    return replace(task, cancel_requested=True)


def _to_be_followed(task: Task, event: Event) -> Task:
    return replace(task, again=event.data)


def _to_be_tried_again(task: Task, event: Event) -> Task:
    failed = event.type != events.ATTEMPT_HANDED_BACK
    return replace(
        task,
        status=Status.SCHEDULED,
        worker=None,
        failures=task.failures + failed,
        error=event.data.get("error", task.error),
        run_at=datetime.fromisoformat(event.data["run_at"]),
        line=event.line,
    )


def _ended(task: Task, event: Event) -> Task:
    status = Status(event.status)
    return replace(
        task,
        status=status,
        worker=None,
        failures=task.failures + (status is Status.FAILED),
        error=None if status is Status.SUCCESS else event.data.get("error", task.error),
        finished_at=event.at,
        line=event.line,
    )


_RUNNING = frozenset({Status.RUNNING})
_TRANSITIONS: Final[Mapping[str, tuple[frozenset[Status], Callable[[Task, Event], Task]]]] = {
    events.TASK_SCHEDULED: (frozenset(), _unchanged),
    events.TASK_STARTED: (frozenset({Status.SCHEDULED}), _started),
    events.BOOKMARK_SAVED: (_RUNNING, _bookmark_saved),
    events.PROGRESS_REPORTED: (_RUNNING, _unchanged),
    events.SCHEMA_CHANGED: (_RUNNING, _unchanged),
    events.CONFIG_RENEWED: (_RUNNING, _unchanged),
    events.CANCEL_REQUESTED: (_RUNNING, _cancel_requested),
    events.RUN_AGAIN_REQUESTED: (_RUNNING | {Status.SCHEDULED}, _to_be_followed),
    events.ATTEMPT_FAILED: (_RUNNING, _to_be_tried_again),
    events.ATTEMPT_RESCUED: (_RUNNING, _to_be_tried_again),
    events.ATTEMPT_HANDED_BACK: (_RUNNING, _to_be_tried_again),
    events.TASK_SUCCEEDED: (_RUNNING, _ended),
    events.TASK_FAILED: (_RUNNING, _ended),
    events.TASK_CANCELED: (_RUNNING | {Status.SCHEDULED}, _ended),
}
