"""What became of fire times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.domain.events import TASK_FAILED
from app.domain.task import Status
from app.store.reads import Reader
from app.store.timeline import Spans

if TYPE_CHECKING:
    from tests.harness import Store

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=123) - timedelta(hours=2)
FIRE_TIME = """
INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, reason, task, worker, decided_at)
VALUES ('s', $1, $2, $3, 'latest', $4, $5, $6, $2)
"""


async def test_the_outcome_that_matters_most_stands_for_a_span(store: Store) -> None:
    worker = await store.worker()
    good, bad = await store.claimed(worker, "a"), await store.claimed(worker, "b", max_attempts=1)
    await store.end(worker, good)
    await store.end(worker, bad, type_=TASK_FAILED, status=Status.FAILED, error="broken")
    running = await store.claimed(worker, "c")
    waiting = await store.schedule("d")
    minute = timedelta(minutes=1)
    ledger = [
        ("a", 0, "started", None, good.task),
        ("a", 1, "missed", "coalesced", None),
        ("a", 6, "skipped", "overlap", None),
        ("a", 7, "started", None, good.task),
        ("a", 11, "skipped", "paused", None),
        ("a", 16, "started", None, None),
        ("b", 0, "missed", "policy", None),
        ("b", 1, "started", None, bad.task),
        ("c", 0, "started", None, running.task),
        ("d", 0, "started", None, waiting),
        ("d", 99, "started", None, waiting),
    ]
    for collection, minutes, outcome, reason, task in ledger:
        at = START + minutes * minute
        await store.admin.execute(FIRE_TIME, collection, at, outcome, reason, task, worker)
    names = [("s", name) for name in ("a", "b", "c", "d", "none")]
    rows = await Reader(store.pool).list_outcomes(names, Spans(START, START + 30 * minute, 300))
    assert [(row["collection"], row["span"], row["state"], row["fire_times"]) for row in rows] == [
        ("a", 0, "missed", 2),
        ("a", 1, "skipped", 2),
        ("a", 2, "paused", 1),
        ("a", 3, "started", 1),
        ("b", 0, "failed", 2),
        ("c", 0, "running", 1),
        ("d", 0, "waiting", 1),
    ]


async def test_a_moment_of_the_past_shows_what_was_known_then(store: Store) -> None:
    worker = await store.worker()
    reader = Reader(store.pool)
    first = await store.claimed(worker, "a")
    await store.end(worker, first)
    second = await store.claimed(worker, "a", max_attempts=1)
    running = await store.pool.fetchval("SELECT syncline.clock()")
    await store.end(worker, second, type_=TASK_FAILED, status=Status.FAILED, error="broken")
    ended = await store.pool.fetchval("SELECT syncline.clock()")
    for minutes, task in ((0, first), (5, second), (6, first)):
        at = START + timedelta(minutes=minutes)
        await store.admin.execute(FIRE_TIME, "a", at, "started", None, task.task, worker)
    spans = Spans(START, START + timedelta(minutes=6), 300)

    async def states(time: datetime) -> list[str]:
        rows = await reader.list_outcomes([("s", "a")], spans, await reader.find_moment(time))
        return [row["state"] for row in rows]

    assert await states(running) == ["succeeded", "running"]
    assert await states(ended) == ["succeeded", "failed"]
