"""The list of asynchronous projections is a seam: a second one is followed, rebuilt and verified like the first."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.projections import ProjectionRunner, rebuild, rebuild_all, verify
from app.projections.asynchronous import ASYNCHRONOUS
from app.projections.daily import DAILY
from app.projections.verify import Drift
from app.store.reads import Reader
from tests.harness import until

if TYPE_CHECKING:
    from datetime import date

    from app.projections.histories import History
    from app.projections.projection import AsyncProjection, Comparison
    from app.store.database import Connection
    from tests.integration.projections.service import Service

TABLES = """
CREATE TABLE syncline.event_counts (generation integer, type text, events bigint, PRIMARY KEY (generation, type));
GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.event_counts TO syncline_app;
INSERT INTO syncline.checkpoints (projection, generation, state, xid, updated_at)
VALUES ('event_counts', 1, 'live', '0', syncline.clock());
"""
ADD = """
INSERT INTO syncline.event_counts AS c
SELECT $1, type, count(*) FROM syncline.events WHERE xid > $2 AND xid <= $3 GROUP BY type
ON CONFLICT (generation, type) DO UPDATE SET events = c.events + excluded.events
"""
SWEEP = """
DELETE FROM syncline.event_counts WHERE generation NOT IN (
  SELECT generation FROM syncline.checkpoints WHERE projection = 'event_counts'
)
"""


class EventCounts:
    """How many events there are of each type."""

    name = "event_counts"
    broken = False

    async def apply(self, connection: Connection, generation: int, after: int, upto: int) -> None:
        if self.broken:
            raise ValueError("it does not count today")
        await connection.execute(ADD, generation, after, upto)

    async def keep_sealed(self, connection: Connection, generation: int, live: int, before: date) -> None:
        """It has no days."""

    async def sweep(self, connection: Connection, generation: int) -> int:
        await connection.execute(SWEEP)
        count: int = await connection.fetchval(
            "SELECT count(*) FROM syncline.event_counts WHERE generation = $1", generation
        )
        return count

    def survey(self, generation: int) -> None:
        """Apply all events afterwards."""

    def expectation(self) -> Expected:
        return Expected()


class Expected:
    def __init__(self) -> None:
        self.counts = Counter[str]()

    def take(self, history: History, upto: int) -> None:
        stream = history.stream
        self.counts.update(e.type for e, xid in zip(stream.events, stream.xids, strict=True) if xid <= upto)

    async def compare(self, connection: Connection, generation: int, sealed_before: date) -> list[Comparison]:  # noqa: ARG002 - it has no days
        expected = [{"type": type_, "events": events} for type_, events in self.counts.items()]
        found = await connection.fetch(
            "SELECT type, events FROM syncline.event_counts WHERE generation = $1", generation
        )
        return [(("type",), expected, found)]


@pytest.fixture
def second(database_url: str) -> EventCounts:
    _execute(database_url, TABLES)
    return EventCounts()


async def test_a_second_projection_follows_the_events_and_is_verified_up_to_its_checkpoint(
    service: Service, second: EventCounts
) -> None:
    both = (*ASYNCHRONOUS, second)
    await service.history()
    await _follow(service, both)
    assert await verify(service.pool, asynchronous=both) == []
    assert await Reader(service.pool).get_projection_lags() == {DAILY: 0, "event_counts": 0}
    await service.live("parcels")
    assert await verify(service.pool, asynchronous=both) == []
    lags = await Reader(service.pool).get_projection_lags()
    assert all(seconds > 0 for seconds in lags.values())


async def test_a_second_projection_is_rebuilt_alone_and_with_all_others(
    service: Service, second: EventCounts, database_url: str
) -> None:
    both = (*ASYNCHRONOUS, second)
    await service.history()
    await _follow(service, both)
    right = await service.pool.fetchval("SELECT events FROM syncline.event_counts WHERE type = 'TaskFailed'")
    for again in (
        lambda: rebuild(service.pool, "event_counts", asynchronous=both),
        lambda: rebuild_all(service.pool, asynchronous=both),
    ):
        _execute(database_url, "UPDATE syncline.event_counts SET events = 0 WHERE type = 'TaskFailed'")
        assert await verify(service.pool, asynchronous=both) == [
            Drift("event_counts", "TaskFailed", "events", right, 0)
        ]
        await again()
        await _follow(service, both)
        assert await verify(service.pool, asynchronous=both) == []
    assert await service.pool.fetchval("SELECT count(DISTINCT generation) FROM syncline.event_counts") == 1
    counts = await rebuild_all(service.pool, asynchronous=both)
    assert counts["event_counts"] == await service.pool.fetchval("SELECT count(DISTINCT type) FROM syncline.events")
    assert counts[DAILY] > 0


async def test_a_projection_that_fails_does_not_hold_up_the_others(service: Service, second: EventCounts) -> None:
    second.broken = True
    await service.live("orders")
    stop = asyncio.Event()
    runner = ProjectionRunner(service.pool, projections=(second, *ASYNCHRONOUS))
    run = asyncio.create_task(runner.run(stop, interval_seconds=0.01))

    async def counted() -> bool:
        return bool(await service.pool.fetchval("SELECT EXISTS (SELECT FROM syncline.daily_collection_stats)"))

    await until(counted)
    stop.set()
    await run
    assert await service.pool.fetchval("SELECT count(*) FROM syncline.event_counts") == 0


async def _follow(service: Service, projections: tuple[AsyncProjection, ...]) -> None:
    """Run them until they have seen every event; others who use the server hold the horizon back."""
    runner = ProjectionRunner(service.pool, projections=projections)

    async def seen() -> bool:
        await runner.run_once()
        lags = await Reader(service.pool).get_projection_lags()
        return not any(lags.values())

    await until(seen)


def _execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())
