"""The log lines that events are: their texts, and their places between the lines of attempts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from app.domain.task import Status
from app.execution.outcome import CANCELED, HANDED_BACK, Outcome, Result, ending_of
from app.store.log import append_lines
from tests.harness import ending
from tests.integration.store.statements import numbered

if TYPE_CHECKING:
    from tests.harness import Store

RNG = Random(1)  # noqa: S311 - jitter
FAILED = Outcome(Result.FAILED, "the source is 100% gone")


@pytest.mark.parametrize(
    ("outcome", "tries", "level", "text"),
    [
        (Outcome(Result.SUCCEEDED), 3, "info", r"FINISHED SUCCESSFULLY in \[75\.35\] seconds \(~ 1\.26 minutes\)"),
        (CANCELED, 3, "warn", r"CANCELED in \[75\.35\] seconds \(~ 1\.26 minutes\)"),
        (HANDED_BACK, 3, "warn", r"attempt 1 was handed back after 75\.35 seconds: the worker is stopping"),
        (
            Outcome(
                Result.HANDED_BACK,
                reason="the quota is used up",
                delay=timedelta(days=100),
                postponed_since=datetime(2026, 11, 30, tzinfo=UTC),
            ),
            3,
            "warn",
            (
                r"attempt 1 was handed back after 75\.35 seconds: "
                r"waiting until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ because the quota is used up"
            ),
        ),
        (
            FAILED,
            3,
            "error",
            (
                r"attempt 1 failed in \[75\.35\] seconds \(~ 1\.26 minutes\): the source is 100% gone; "
                r"next attempt in \d+ seconds, 2 left"
            ),
        ),
        (FAILED, 1, "error", r"FINISHED WITH ERROR in \[75\.35\] seconds \(~ 1\.26 minutes\): the source is 100% gone"),
    ],
    ids=["success", "canceled", "handed back", "postponed", "failed", "failed for good"],
)
async def test_an_ending_tells_how_and_when_the_attempt_ended(
    store: Store, outcome: Outcome, tries: int, level: str, text: str
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, max_attempts=tries)
    assert await append_lines(store.pool, worker, [(claim, numbered(1, 2))], now=0) == set()
    made = ending_of(claim, outcome, line=3, seconds=75.3472, rng=RNG)
    assert await store.queue.end_attempts(worker, [made]) == []
    log = await store.log(claim.task)
    assert [row["line"] for row in log] == [0, 1, 2, 3]
    assert log[0]["message"] == f"[{claim.task_id}] Running task..."
    assert log[0]["level"] == "info"
    assert re.fullmatch(rf"\[{claim.task_id}\] {text}", log[-1]["message"])
    assert log[-1]["level"] == level


async def test_a_task_that_is_tried_again_has_a_log_for_each_attempt_in_their_order(store: Store) -> None:
    worker, _ = await store.worker(), await store.schedule()
    for attempt in (1, 2):
        claim = await store.claim(worker)
        assert claim.attempt == attempt
        assert await append_lines(store.pool, worker, [(claim, numbered(1))], now=0) == set()
        back = ending(claim, "AttemptFailed", Status.SCHEDULED, line=2, error="broken", delay=-timedelta(hours=1))
        assert await store.queue.end_attempts(worker, [back]) == []
    assert await store.queue.cancel(claim.task) is Status.CANCELED
    places = [(row["attempt"], row["line"]) for row in await store.log(claim.task)]
    assert places == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert (await store.messages(claim.task))[-1] == "CANCELED while it was queued"


async def test_a_cancellation_comes_after_the_lines_that_an_earlier_release_has_stored(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    assert await append_lines(store.pool, worker, [(claim, numbered(1, 2))], now=0) == set()
    back = ending(claim, "AttemptHandedBack", Status.SCHEDULED, line=3)
    assert await store.queue.end_attempts(worker, [back]) == []
    await store.admin.execute("UPDATE syncline.collections SET line = NULL")
    assert await store.queue.cancel(claim.task) is Status.CANCELED
    [event] = [event for event in await store.events(claim.task) if event.type == "TaskCanceled"]
    assert event.line == 3


async def test_progress_and_bookmarks_are_no_lines(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.streams.report_progress(worker, [(claim, {"records_read": 1})])
    await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark=1)
    await store.queue.cancel(claim.task)
    assert [event.line for event in await store.events(claim.task)] == [None, 0, None, None, None]
