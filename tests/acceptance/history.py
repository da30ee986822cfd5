"""The checker: what the event history must show after any run, whatever was killed meanwhile."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from app.domain import events
from app.domain.events import Event
from app.domain.task import Status, fold

if TYPE_CHECKING:
    from uuid import UUID

_ENDS_ATTEMPT = {
    events.ATTEMPT_FAILED,
    events.ATTEMPT_RESCUED,
    events.ATTEMPT_HANDED_BACK,
    *events.TERMINAL,
}


class History:
    """All that the database remembers, and the invariants over it."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, row_factory=dict_row, autocommit=True)
        self.streams: dict[UUID, list[Event]] = defaultdict(list)
        for row in self._rows(
            "SELECT task, version, type, at, status, attempt, worker, data, v FROM syncline.events"
            " ORDER BY task, version"
        ):
            self.streams[row["task"]].append(Event(**row))

    def close(self) -> None:
        self._connection.close()

    def _rows(self, query: str) -> list[dict[str, Any]]:
        return self._connection.execute(query).fetchall()

    def hold_invariants(self) -> None:
        """Invariants 1–6 of the store; those of destinations and processes are the test's own."""
        self.events_cannot_be_changed()
        self.streams_are_legal_lives()
        self.one_task_and_one_attempt_at_a_time()
        self.nothing_is_written_after_the_loss_of_a_lease()
        self.every_log_tells_how_its_task_ended()

    def events_cannot_be_changed(self) -> None:
        """Invariant 1, for the application's role and even for the superuser that the tests are."""
        for role in ("syncline_app", None):
            for table in ("events", "log_events", "fire_times"):
                for statement in (f"UPDATE syncline.{table} SET task = task", f"DELETE FROM syncline.{table}"):
                    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
                        self._execute_as(role, statement)

    def _execute_as(self, role: str | None, statement: str) -> None:
        with self._connection.transaction():
            if role:
                self._connection.execute(f"SET LOCAL ROLE {role}")
            self._connection.execute(statement)

    def streams_are_legal_lives(self) -> None:
        """Invariant 2: folding refuses gaps, illegal steps and anything after the end; times and xids do not turn."""
        for task, stream in self.streams.items():
            assert fold(stream) is not None, task
            assert [e.at for e in stream] == sorted(e.at for e in stream), stream
        order = self._rows("SELECT task, version FROM syncline.events ORDER BY xid::text::numeric, task, version")
        seen: dict[UUID, int] = defaultdict(int)
        for row in order:
            assert row["version"] == seen[row["task"]] + 1, row
            seen[row["task"]] += 1

    def one_task_and_one_attempt_at_a_time(self) -> None:
        """Invariant 3: the lives of a collection's tasks, and the attempts of a task, follow one another."""
        lives = defaultdict(list)
        for stream in self.streams.values():
            task = fold(stream)
            assert task is not None
            lives[task.source, task.collection].append((task.created_at, task.finished_at))
            started = [e.attempt for e in stream if e.type == events.TASK_STARTED]
            assert started == list(range(1, len(started) + 1)), stream
        for key, spans in lives.items():
            for (_, ended), (began, _) in itertools.pairwise(sorted(spans)):
                assert ended is not None, key
                assert ended <= began, key

    def nothing_is_written_after_the_loss_of_a_lease(self) -> None:
        """Invariant 4: no line of an attempt is younger than its end, nothing of a worker younger than its loss."""
        ends = {
            (event.task, event.attempt): event.at
            for stream in self.streams.values()
            for event in stream
            if event.type in _ENDS_ATTEMPT
        }
        last_lines = self._rows("SELECT task, attempt, max(at) AS at FROM syncline.log_events GROUP BY task, attempt")
        for row in last_lines:
            ended = ends.get((row["task"], row["attempt"]))
            assert ended is None or row["at"] <= ended, row
        lost = self._rows("SELECT worker, lease_until FROM syncline.workers WHERE state = 'lost'")
        for row in lost:
            own = [e for stream in self.streams.values() for e in stream if e.worker == row["worker"]]
            assert all(e.at <= row["lease_until"] + timedelta(seconds=1) for e in own), row

    def every_log_tells_how_its_task_ended(self) -> None:
        """The last line of an ended task's log."""
        last = {
            row["task"]: row["message"]
            for row in self._rows(
                "SELECT DISTINCT ON (task) task, message FROM syncline.log_events"
                " ORDER BY task, attempt DESC, line DESC"
            )
        }
        words = {
            Status.SUCCESS: "FINISHED SUCCESSFULLY",
            Status.FAILED: "FINISHED WITH ERROR",
            Status.CANCELED: "CANCELED",
        }
        for stream in self.streams.values():
            task = fold(stream)
            if task is not None and task.status in words:
                assert words[task.status] in last[task.task], last[task.task]

    def fire_times(self, source: str, collection: str) -> list[dict[str, Any]]:
        """The ledger of a schedule in order."""
        return [
            row
            for row in self._rows("SELECT * FROM syncline.fire_times ORDER BY fire_time")
            if (row["source"], row["collection"]) == (source, collection)
        ]

    def types(self, task: UUID) -> list[str]:
        return [event.type for event in self.streams[task]]
