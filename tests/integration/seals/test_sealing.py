"""Weeks are sealed when nothing can be added to them any more, once, and in one chain."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.domain.seal import Comparison, Seal, current, find_broken_links
from app.domain.task import Status
from app.store.leases import Leases
from app.store.seals import list_open_weeks, list_seals, open_week, seal_weeks
from tests.harness import opened
from tests.integration.seals.weeks import SEALED_AFTER, WEEK, findings, live_weeks, wrong

if TYPE_CHECKING:
    from tests.integration.retention.lives import Era


async def test_a_week_is_sealed_a_day_after_its_end_and_once(era: Era) -> None:
    await era.lived("orders")
    await era.go(WEEK)
    await era.lived("orders")
    assert await era.seal() == []
    assert [line.partition(": ")[2] for line in await findings(era)] == [
        *("not sealed yet: a week is sealed one day after it ends",) * 2,
        "none yet: a week is sealed one day after it ends",
    ]
    await era.go(SEALED_AFTER - WEEK)
    [seal] = await era.seal()
    assert (seal.number, seal.streams, seal.before - seal.week) == (1, 1, WEEK)
    assert await era.seal() == []
    await era.go(WEEK)
    [second] = await era.seal()
    assert (second.number, second.week, second.previous) == (2, seal.before, seal.seal)
    assert list(find_broken_links([seal, second])) == []


async def test_an_active_task_keeps_its_week_open_and_no_other(era: Era) -> None:
    long = await era.claimed("long")
    await era.lived("orders")
    retried = await era.claimed("retried")
    assert await era.service.end(retried, status=Status.SCHEDULED) == []
    await era.go(WEEK)
    await era.lived("orders")
    await era.go(SEALED_AFTER)
    [later] = await era.seal()
    shown = await findings(era)
    monday = later.week - WEEK
    assert f"{monday}: not sealed yet: it has 2 active tasks" in shown
    for task in (long.task, retried.task):
        await era.service.queue.cancel(task)
    await Leases(era.pool).rescue()
    [earlier] = await era.seal()
    assert (earlier.week, earlier.number, earlier.streams) == (monday, 2, 3)
    assert await wrong(era) == []
    assert [seal.week for seal in current(await list_seals(era.pool))] == [monday, later.week]


async def test_an_open_transaction_that_is_older_than_the_end_of_the_week_delays_the_seal(
    era: Era, database_url: str
) -> None:
    async with opened(database_url) as other, other.acquire() as connection:
        await era.lived("orders")
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT pg_current_xact_id()")
        await era.go(WEEK + SEALED_AFTER)
        await era.lived("orders")
        seals, delay = await seal_weeks(era.pool)
        assert seals == []
        assert delay is not None
        assert "cannot be sealed while a transaction is open that is older than its end" in delay
        await transaction.rollback()
    assert len(await era.seal()) == 1


async def test_what_python_hashes_is_what_the_database_hashes(era: Era) -> None:
    await era.service.history()
    for number, data in enumerate(ODD):
        await era.admin.execute(
            "INSERT INTO syncline.events (task, version, type, at, status, attempt, data, line)"
            " SELECT syncline.uuid7(syncline.clock()), 1, $2, syncline.clock() + '1 us', $3, 0, $1::jsonb, $4",
            data,
            "ä type" if number % 2 else "T",
            None if number % 3 else "S 1",
            number if number % 2 else None,
        )
    await era.go(SEALED_AFTER)
    for row in await era.pool.fetch("SELECT task FROM syncline.collections"):
        await era.service.queue.cancel(row["task"])
    await Leases(era.pool).rescue()
    assert await era.seal()
    for seal in await list_seals(era.pool):
        assert seal.seal == seal.computed
        async with open_week(era.pool, seal) as week:
            comparison = Comparison(seal, await week.list_named())
            async for events in week.page_events():
                for event in events:
                    comparison.take(event)
        assert comparison.finish() == []
        assert comparison.differences == []


ODD = (
    "{}",
    "[]",
    '"error"',
    '["error"]',
    "1.50",
    "null",
    '{"error": null}',
    '{"error": {"name": "[redacted]", "b": 1e400}, "z": "\\ud83d\\ude00", "a": "\\u0001\\"\\\\"}',
    '{"who": {"kind": "token", "name": "x"}, "note": "[redacted]", "n": 12345678901234567890.0100}',
    '{"nested": {"error": "x"}, "list": [1, 2.50, {"who": null}]}',
    '{"error": "only"}',
    '{"who": {"name": "x"}}',
    '{"who": {"kind": null, "name": "[redacted]", "more": 1}}',
    '{"who": "x", "problems": [{"path": "a", "message": "b"}]}',
    '{"reason": "a, \\"note\\": b", "message": "", "ключ": "значение"}',
)


async def test_two_replicas_at_once_make_one_chain(era: Era, database_url: str) -> None:
    for _ in range(6):
        await era.lived("orders")
        await era.go(WEEK)
    await era.go(SEALED_AFTER - WEEK)
    async with opened(database_url) as other:
        made: list[Seal] = []
        while len(made) < 6:
            for result in await asyncio.gather(*(seal_weeks(pool) for pool in (era.pool, other))):
                made += result.seals
    assert sorted(seal.number for seal in made) == [1, 2, 3, 4, 5, 6]
    assert await wrong(era) == []


async def test_weeks_without_events_have_no_seal(era: Era) -> None:
    await era.lived("orders")
    await era.go(5 * WEEK)
    await era.lived("orders")
    await era.go(SEALED_AFTER)
    first, second = await era.seal()
    assert second.week - first.week == 5 * WEEK
    assert await list_open_weeks(era.pool, [first, second]) == []


async def test_the_application_can_neither_write_nor_change_a_seal(era: Era) -> None:
    await live_weeks(era, 1)
    for statement in (
        "INSERT INTO syncline.seals SELECT * FROM syncline.seals",
        "UPDATE syncline.seals SET events = 0",
        "DELETE FROM syncline.sealed_streams",
        "INSERT INTO syncline.redactions SELECT task, 1, 'note', '', task, now() FROM syncline.events",
        "SELECT syncline.write_seal('2020-01-06', '2020-01-13', '{}', false, NULL)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await era.pool.execute(statement)
    for statement in ("UPDATE syncline.seals SET events = 0", "DELETE FROM syncline.seals", "TRUNCATE syncline.seals"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await era.admin.execute(statement)


async def test_weeks_are_those_of_utc_whatever_the_time_zone_of_the_session(era: Era) -> None:
    await era.lived("orders")
    await era.go(WEEK + timedelta(hours=10))
    await era.admin.execute("SET timezone = 'Pacific/Auckland'")
    assert await era.admin.fetch("SELECT * FROM syncline.seal_week()") == []
    await era.go(timedelta(hours=3))
    [row] = await era.admin.fetch("SELECT * FROM syncline.seal_week()")
    assert row["week"].weekday() == 0
