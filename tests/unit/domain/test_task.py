"""Which event may follow which, and what a task is after its events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain import events
from app.domain.events import Event
from app.domain.task import TERMINAL, IllegalTransitionError, Status, Task, evolve, fold, task_id

TASK, WORKER = UUID(int=7), UUID(int=8)
AT = datetime(2026, 1, 1, tzinfo=UTC)
AGAIN = {"run_at": (AT + timedelta(hours=1)).isoformat()}
ASKED = {
    "source": "s",
    "collection": "c",
    "source_type": "synthetic",
    "trigger": "schedule",
    "fire_time": AT.isoformat(),
    "priority": 5,
    "max_attempts": 3,
}
SCHEDULED = Event(TASK, 1, events.TASK_SCHEDULED, AT, "SCHEDULED", 0, data=ASKED)
FOLLOWING: dict[str, tuple[str, dict[str, Any]]] = {
    events.TASK_STARTED: ("RUNNING", {}),
    events.BOOKMARK_SAVED: ("RUNNING", {"rows": 4}),
    events.SCHEMA_CHANGED: ("RUNNING", {"destination": "d", "table": "t", "revision": 1, "columns": [], "changes": []}),
    events.CONFIG_RENEWED: ("RUNNING", {"renewal": 1, "role": "source", "name": "s", "kept": True}),
    events.CANCEL_REQUESTED: ("RUNNING", {}),
    events.RUN_AGAIN_REQUESTED: ("RUNNING", {"trigger": "api"}),
    events.ATTEMPT_FAILED: ("SCHEDULED", AGAIN | {"error": "broken"}),
    events.ATTEMPT_RESCUED: ("SCHEDULED", AGAIN | {"error": "gone"}),
    events.ATTEMPT_HANDED_BACK: ("SCHEDULED", AGAIN),
    events.TASK_SUCCEEDED: ("SUCCESS", {}),
    events.TASK_FAILED: ("FAILED", {"error": "broken"}),
    events.TASK_CANCELED: ("CANCELED", {}),
}
# What may follow while a task is in the queue.
WAITING = {events.TASK_STARTED, events.TASK_CANCELED, events.RUN_AGAIN_REQUESTED}


def stream(*types: str) -> list[Event]:
    """A stream that begins with TaskScheduled; each start is a new attempt."""
    made, attempt = [SCHEDULED], 0
    for version, type_ in enumerate(types, 2):
        attempt += type_ == events.TASK_STARTED
        status, data = FOLLOWING[type_]
        at = AT + timedelta(seconds=version)
        made.append(Event(TASK, version, type_, at, status, attempt, WORKER, data))
    return made


def folded(*types: str) -> Task:
    task = fold(stream(*types))
    assert task is not None
    return task


def test_no_events_are_no_task() -> None:
    assert fold([]) is None


def test_a_task_is_in_the_pool_that_it_was_asked_for() -> None:
    assert folded(events.TASK_STARTED).pool == "default"
    asked = replace(SCHEDULED, data=ASKED | {"pool": "eu"})
    task = fold([asked, *stream(events.TASK_STARTED, events.ATTEMPT_RESCUED)[1:]])
    assert task is not None
    assert task.pool == "eu"


def test_a_task_begins_as_it_was_asked_for() -> None:
    task = folded()
    assert (task.status, task.version, task.fire_time, task.created_at) == (Status.SCHEDULED, 1, AT, AT)
    assert task.task_id == task_id("s", "c", TASK) == f"s_c_{TASK}"


@pytest.mark.parametrize(
    ("after", "allowed"),
    [
        ([], WAITING),
        ([events.TASK_STARTED], set(FOLLOWING) - {events.TASK_STARTED}),
        ([events.TASK_STARTED, events.ATTEMPT_FAILED], WAITING),
        ([events.TASK_STARTED, events.TASK_SUCCEEDED], set()),
        ([events.TASK_STARTED, events.TASK_FAILED], set()),
        ([events.TASK_CANCELED], set()),
    ],
    ids=["scheduled", "running", "queued again", "succeeded", "failed", "canceled"],
)
def test_what_may_follow(after: list[str], allowed: set[str]) -> None:
    followed = set()
    for type_ in FOLLOWING:
        try:
            folded(*after, type_)
        except IllegalTransitionError:
            continue
        followed.add(type_)
    assert followed == allowed


def test_a_gap_in_the_versions_is_refused() -> None:
    first, second = stream(events.TASK_STARTED)
    with pytest.raises(IllegalTransitionError, match="version 3 cannot follow version 1"):
        fold([first, replace(second, version=3)])


@pytest.mark.parametrize("change", [{"version": 2}, {"type": events.TASK_STARTED}])
def test_a_stream_begins_with_its_first_event(change: dict[str, Any]) -> None:
    with pytest.raises(IllegalTransitionError, match="cannot begin a stream"):
        evolve(None, replace(SCHEDULED, **change))


def test_a_task_is_scheduled_once() -> None:
    with pytest.raises(IllegalTransitionError):
        evolve(folded(), replace(SCHEDULED, version=2))


def test_an_event_of_a_newer_release_only_moves_the_version() -> None:
    task = folded(events.TASK_STARTED)
    later = evolve(task, Event(TASK, 3, "TaskPraised", AT, "RUNNING", 1))
    assert later == replace(task, version=3, changed_at=AT)


def test_failed_and_rescued_attempts_count_and_handed_back_ones_do_not() -> None:
    start = events.TASK_STARTED
    task = folded(start, events.ATTEMPT_FAILED, start, events.ATTEMPT_RESCUED, start, events.ATTEMPT_HANDED_BACK)
    assert (task.failures, task.attempt, task.error) == (2, 3, "gone")
    assert task.run_at == AT + timedelta(hours=1)
    assert task.worker is None


def test_a_request_for_another_task_stays_over_further_attempts() -> None:
    started, asked = events.TASK_STARTED, events.RUN_AGAIN_REQUESTED
    assert folded(started).again is None
    task = folded(started, asked, events.ATTEMPT_FAILED, started, events.ATTEMPT_RESCUED, started)
    assert (task.again, task.status) == ({"trigger": "api"}, Status.RUNNING)


def test_the_first_start_is_the_start() -> None:
    task = folded(events.TASK_STARTED, events.ATTEMPT_FAILED, events.TASK_STARTED)
    assert task.started_at == AT + timedelta(seconds=2)


def test_rows_add_up_over_commits() -> None:
    assert folded(events.TASK_STARTED, events.BOOKMARK_SAVED, events.BOOKMARK_SAVED).rows == 8


def test_success_forgets_the_errors_on_the_way() -> None:
    task = folded(events.TASK_STARTED, events.ATTEMPT_FAILED, events.TASK_STARTED, events.TASK_SUCCEEDED)
    assert (task.error, task.failures) == (None, 1)
    assert task.status in TERMINAL
    assert task.finished_at == AT + timedelta(seconds=5)
