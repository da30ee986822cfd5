"""Legal histories, made without a database: a few lives with all that belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.domain import events
from app.domain.events import Event
from app.domain.task import task_id
from app.projections.collections import Collections
from app.projections.histories import History as Life
from app.store.projections import Stream
from tests.history.record import (
    Copied,
    Drain,
    FireTime,
    History,
    Line,
    OpenTransaction,
    Projections,
    ScheduleRow,
    ShownLine,
    StoredEvent,
    WorkerRow,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WORKERS = [UUID(int=number) for number in (1, 2)]
_LAST = {
    events.TASK_SUCCEEDED: ("SUCCESS", "FINISHED SUCCESSFULLY in [1.00] seconds"),
    events.TASK_FAILED: ("FAILED", "FINISHED WITH ERROR: {error}"),
    events.TASK_CANCELED: ("CANCELED", "CANCELED"),
    events.ATTEMPT_FAILED: ("SCHEDULED", "attempt {attempt} failed: {error}"),
    events.ATTEMPT_RESCUED: ("SCHEDULED", "attempt {attempt} is taken over: {error}"),
    events.ATTEMPT_HANDED_BACK: ("SCHEDULED", "attempt {attempt} was handed back"),
}


@dataclass
class Maker:
    """Appends events and lines as the service would; each step takes a second and is a transaction of its own."""

    now: datetime = BEGIN
    xid: int = 100
    stored: list[StoredEvent] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    fire_times: list[FireTime] = field(default_factory=list)
    facts: list[StoredEvent] = field(default_factory=list)

    def scheduled(self, collection: str = "c", *, fire_time: datetime | None = None) -> UUID:
        self.now += SECOND
        milliseconds = int(self.now.timestamp() * 1000)
        task = UUID(int=(milliseconds << 80) | (0x7000_8000 << 48) | self.xid)
        asked = {
            "source": "s",
            "collection": collection,
            "source_type": "synthetic",
            "trigger": "schedule" if fire_time else "api",
            "fire_time": fire_time.isoformat() if fire_time else None,
            "priority": 5,
            "max_attempts": 3,
        }
        self._append(task, events.TASK_SCHEDULED, "SCHEDULED", 0, None, asked)
        if fire_time:
            self.fire_times.append(FireTime("s", collection, fire_time, "started", None, task, self.now))
        return task

    def started(self, task: UUID, worker: UUID = WORKERS[0]) -> None:
        self.now += SECOND
        attempt = self._last(task).attempt + 1
        self._append(task, events.TASK_STARTED, "RUNNING", attempt, worker, {}, line=self._next_line(task, attempt))
        self._tell(task, attempt, "Running task...")

    def saved(self, task: UUID, number: int) -> None:
        self.now += SECOND
        last = self._last(task)
        bookmark = {"destination": "d", "rows": 10, "bookmark": number, "generation": 0, "commit": 1}
        self._append(task, events.BOOKMARK_SAVED, "RUNNING", last.attempt, last.worker, bookmark)

    def revised(self, task: UUID, revision: int) -> None:
        self.now += SECOND
        last = self._last(task)
        columns = [{"field": f"f{number}", "field_type": "text"} for number in range(revision)]
        schema = {"destination": "d", "table": "t", "revision": revision, "columns": columns, "changes": []}
        self._append(task, events.SCHEMA_CHANGED, "RUNNING", last.attempt, last.worker, schema)

    def ended(self, task: UUID, type_: str = events.TASK_SUCCEEDED, **more: Any) -> None:
        """The end of an attempt, or of a task; a rescue is nobody's, and so is the cancellation of a waiting task."""
        last = self._last(task)
        status, message = _LAST[type_]
        if last.status == "RUNNING":
            self._tell(task, last.attempt, "one line of its own")
        self.now += SECOND
        more |= {"run_at": self.now.isoformat()} if status == "SCHEDULED" else {}
        worker = None if type_ == events.ATTEMPT_RESCUED or last.status != "RUNNING" else last.worker
        self._append(task, type_, status, last.attempt, worker, more, line=self._next_line(task, last.attempt))
        self._tell(task, last.attempt, message.format(attempt=last.attempt, error=more.get("error", "")))

    def asked_again(self, task: UUID) -> None:
        self.now += SECOND
        last = self._last(task)
        request = {"source_type": "synthetic", "trigger": "api", "priority_class": 300, "max_attempts": 3}
        self._append(task, events.RUN_AGAIN_REQUESTED, last.status, last.attempt, None, request | {"pool": "default"})

    def followed(self, task: UUID) -> UUID:
        """The next task, which begins in the transaction that was the last one."""
        self.xid -= 1
        first = next(one.event for one in self.stored if one.event.task == task)
        return self.scheduled(first.data["collection"])

    def skipped(self, collection: str, fire_time: datetime) -> None:
        self.fire_times.append(FireTime("s", collection, fire_time, "skipped", "overlap", None, self.now))

    def paused(self, collection: str, span: timedelta) -> None:
        self.now += SECOND
        self.xid += 1
        data = {"source": "s", "collection": collection, "since": self.now.isoformat()}
        data |= {"until": (self.now + span).isoformat()}
        status: Any = None
        fact = Event(UUID(int=self.xid), 1, events.COLLECTION_PAUSED, self.now, status, 0, None, data)
        self.facts.append(StoredEvent(fact, self.xid))
        fire_time = self.now + SECOND
        self.fire_times.append(FireTime("s", collection, fire_time, "skipped", "paused", None, fire_time))

    def history(self, **more: Any) -> History:
        stored = sorted(self.stored, key=lambda one: (one.event.task, one.event.version))
        lines = sorted(self.lines, key=lambda line: (line.task, line.attempt, line.line))
        made = History(events=stored, facts=self.facts, lines=lines, fire_times=self.fire_times)
        return made.with_(projections=projected(made), **more)

    def _last(self, task: UUID) -> Event:
        return [one.event for one in self.stored if one.event.task == task][-1]

    def _append(  # noqa: PLR0917 - the columns of an event in their order
        self,
        task: UUID,
        type_: str,
        status: str,
        attempt: int,
        worker: UUID | None,
        what: dict[str, Any],
        *,
        line: int | None = None,
    ) -> None:
        self.xid += 1
        version = 1 + sum(one.event.task == task for one in self.stored)
        event = Event(task, version, type_, self.now, status, attempt, worker, what, line=line)
        self.stored.append(StoredEvent(event, self.xid))

    def _next_line(self, task: UUID, attempt: int) -> int:
        written = sum((one.task, one.attempt) == (task, attempt) for one in self.lines)
        return written if attempt else 1 + written

    def _tell(self, task: UUID, attempt: int, message: str) -> None:
        self.lines.append(
            Line(task, attempt, self._next_line(task, attempt), self.now, f"[{task_id('s', 'c', task)}] {message}")
        )


def projected(history: History) -> Projections:
    """The projections as the product folds them."""
    streams: dict[UUID, list[StoredEvent]] = {}
    for stored in history.events:
        streams.setdefault(stored.event.task, []).append(stored)
    lives = [_life(stream) for stream in streams.values()]
    collections = Collections()
    for life in lives:
        collections.take(life)
    return Projections(
        tasks=[life.tasks_row() for life in lives if life.ended],
        collections=collections.rows(),
        table_schemas=collections.schema_rows(),
        bookmarks=[_bookmark(history, task, version) for task, version in collections.saving_events()],
    )


def _life(stream: Sequence[StoredEvent]) -> Life:
    return Life.of(Stream([one.event for one in stream], [one.xid for one in stream]))


def _bookmark(history: History, task: UUID, version: int) -> dict[str, Any]:
    event = next(one.event for one in history.events if (one.event.task, one.event.version) == (task, version))
    folded = history.tasks[task]
    return {
        "source": folded.source,
        "collection": folded.collection,
        "destination": event.data["destination"],
        "bookmark": event.data["bookmark"],
        "task": task,
        "attempt": event.attempt,
        "saved_at": event.at,
    }


def a_history() -> History:
    """A success, a rescue, a retry, a failure, a drain, a cancellation of a waiting one, a run again, running tasks."""
    made = Maker()
    grid = [BEGIN + number * 20 * SECOND for number in range(3)]
    for number, fire_time in enumerate(grid):
        made.now = fire_time
        task = made.scheduled(fire_time=fire_time)
        made.started(task)
        made.saved(task, 10 * (number + 1))
        made.revised(task, number + 1)
        if number == 1:
            made.skipped("c", fire_time + 10 * SECOND)
            made.ended(task, events.ATTEMPT_RESCUED, error="gone")
            made.started(task, WORKERS[1])
        elif number == 0:
            made.skipped("c", fire_time + 10 * SECOND)
            made.now = fire_time + 11 * SECOND
        made.ended(task)
    made.skipped("c", grid[-1] + 10 * SECOND)
    failing = made.scheduled("flaky")
    for type_ in (events.ATTEMPT_FAILED, events.ATTEMPT_HANDED_BACK, events.TASK_FAILED):
        made.started(failing, WORKERS[1])
        made.ended(failing, type_, error="boom")
    waiting = made.scheduled("waiting")
    made.started(waiting, WORKERS[1])
    made.ended(waiting, events.ATTEMPT_HANDED_BACK)
    made.ended(waiting, events.TASK_CANCELED)
    again = made.scheduled("again")
    made.started(again, WORKERS[1])
    made.asked_again(again)
    made.ended(again)
    made.started(made.followed(again), WORKERS[1])
    made.paused("paused", 60 * SECOND)
    running = made.scheduled("runs")
    made.started(running, WORKERS[1])
    return made.history(
        schedules=[ScheduleRow("s", "c", "@every 10s", "UTC", grid[-1] + 20 * SECOND, active=True)],
        workers=[
            WorkerRow(WORKERS[0], 11, "lost", made.now),
            WorkerRow(WORKERS[1], 12, "active", made.now + 3 * SECOND),
        ],
        posted=[waiting, running],
        shown=[ShownLine(made.lines[0].task, made.lines[0].message)],
        logged={("s", "c"): 1},
        copied=[Copied("s", "c", "d", frozenset(range(1, 31)), dict.fromkeys(range(1, 31), 1), 30, complete=True)],
        transactions=[OpenTransaction("syncline worker", SECOND, "active: SELECT")],
        drains=[Drain(12, made.now, made.now + SECOND, 0)],
        may_fail=frozenset({("s", "flaky")}),
        lease=3 * SECOND,
    )
