"""What is paused waits, and whatever changed a pause is in the history."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.domain.cause import Actor, Cause
from app.domain.errors import ConfigurationError
from app.domain.events import ATTEMPT_FAILED, COLLECTION_PAUSED, COLLECTION_RESET, COLLECTION_RESUMED
from app.domain.feed import BEGINNING, Selection
from app.domain.task import Status
from app.projections import rebuild, rebuild_all, verify
from app.store.database import connect
from app.store.feed import Feed
from app.store.pauses import Pauses
from app.store.queries import load_statements
from app.store.resets import reset_collection
from tests.harness import a_task, ending, now, opened_store

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.feed import FeedEvent
    from tests.harness import Store

PAUSES = load_statements("pauses.sql")
RESETS = load_statements("resets.sql")
ANNA = Cause(Actor("token", "anna"), "a new warehouse")


async def facts(store: Store) -> list[FeedEvent]:
    await store.readable()
    page = await Feed(store.pool).read(BEGINNING, limit=1000)
    return [event for event in page.events if event.status is None]


async def claimable(store: Store) -> set[str]:
    return {claim.collection for claim in await store.queue.claim(await store.worker(), 100)}


async def test_a_paused_collection_is_not_claimed_and_others_are(store: Store) -> None:
    for collection in ("a", "b"):
        await store.schedule(collection)
    await Pauses(store.pool).pause("s", "a")
    assert await claimable(store) == {"b"}
    await Pauses(store.pool).resume("s", "a")
    assert await claimable(store) == {"a"}


async def test_a_paused_source_holds_all_its_collections_and_no_others(store: Store) -> None:
    for source, collection in (("s", "a"), ("s", "b"), ("t", "a")):
        await store.schedule(collection, source)
    await Pauses(store.pool).pause("s", None)
    [claim] = await store.queue.claim(await store.worker(), 100)
    assert claim.source == "t"
    await Pauses(store.pool).resume("s", None)
    assert await claimable(store) == {"a", "b"}


async def test_what_is_paused_alone_stays_paused_when_its_source_goes_on(store: Store) -> None:
    await store.schedule("a")
    await store.schedule("b")
    pauses = Pauses(store.pool)
    await pauses.pause("s", "a")
    await pauses.pause("s", None)
    await pauses.resume("s", None)
    assert await claimable(store) == {"b"}


async def test_a_task_that_is_asked_for_in_a_pause_waits_and_one_is_enough(store: Store) -> None:
    await Pauses(store.pool).pause("s", None)
    task = await store.schedule("c")
    assert await store.queue.schedule(a_task("c"), again=True) == (task, False)
    assert await claimable(store) == set()


async def test_a_running_task_goes_on_and_its_next_attempt_waits(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await Pauses(store.pool).pause("s", "c")
    failed = ending(claim, ATTEMPT_FAILED, Status.SCHEDULED, error="no luck")
    assert await store.queue.end_attempts(worker, [failed]) == []
    assert await claimable(store) == set()
    await Pauses(store.pool).resume("s", "c")
    assert await claimable(store) == {"c"}


async def test_a_pause_ends_by_itself(store: Store, database_url: str) -> None:
    await store.schedule()
    await Pauses(store.pool).pause("s", "c", until=now() + timedelta(hours=1))
    assert await claimable(store) == set()
    await store.move_clock("61 minutes")
    async with opened_store(database_url) as later:
        assert await Pauses(later.pool).list_active() == []
        assert not await Pauses(later.pool).resume("s", "c")
        assert await claimable(later) == {"c"}


async def test_the_databases_clock_says_whether_the_end_is_over(store: Store, database_url: str) -> None:
    await store.move_clock("-2 hours")
    async with opened_store(database_url) as behind:
        await Pauses(behind.pool).pause("s", "c", until=now() - timedelta(hours=1))
        assert len(await Pauses(behind.pool).list_active()) == 1
        with pytest.raises(ConfigurationError, match="must end in the future"):
            await Pauses(behind.pool).pause("s", "c", until=now() - timedelta(hours=3))


async def test_no_event_of_a_pause_is_earlier_than_the_one_before_it(store: Store, database_url: str) -> None:
    since = await Pauses(store.pool).pause("s", "c")
    await store.move_clock("-1 hour")
    async with opened_store(database_url) as behind:
        assert await Pauses(behind.pool).resume("s", "c")
        assert await Pauses(behind.pool).pause("s", "c") >= since
    times = [row["at"] for row in await store.pool.fetch("SELECT at FROM syncline.events ORDER BY xid")]
    assert times == sorted(times)
    assert await verify(store.pool) == []


async def test_each_change_is_an_event_that_says_who_and_why(store: Store) -> None:
    pauses, end = Pauses(store.pool), now() + timedelta(hours=1)
    since = await pauses.pause("s", "c", until=end, cause=ANNA)
    assert await pauses.pause("s", "c") == since
    assert await pauses.resume("s", "c", cause=ANNA)
    assert not await pauses.resume("s", "c", cause=ANNA)
    await pauses.pause("s", None)
    generation = await reset_collection(store.pool, "s", "c", cause=ANNA)
    events = await facts(store)
    assert [(event.type, event.collection) for event in events] == [
        (COLLECTION_PAUSED, "c"),
        (COLLECTION_PAUSED, "c"),
        (COLLECTION_RESUMED, "c"),
        (COLLECTION_PAUSED, None),
        (COLLECTION_RESET, "c"),
    ]
    rows = [row["data"] for row in await store.pool.fetch("SELECT data FROM syncline.events ORDER BY xid")]
    who = {"kind": "token", "name": "anna"}
    assert rows[0]["who"] == rows[2]["who"] == rows[4]["who"] == who
    assert (rows[0]["note"], rows[4]["generation"]) == ("a new warehouse", generation)
    assert [sorted(row) for row in rows] == [
        ["collection", "note", "since", "source", "until", "who"],
        ["collection", "since", "source"],
        ["collection", "note", "since", "source", "who"],
        ["since", "source"],
        ["collection", "generation", "note", "source", "who"],
    ]
    assert "task_id" not in events[0].envelope("urn:x")["data"]
    assert (events[0].subject, events[3].subject) == ("s/c", "s")


async def test_the_feed_can_be_filtered_for_facts(store: Store) -> None:
    await store.schedule("c")
    await Pauses(store.pool).pause("s", "c")
    await Pauses(store.pool).pause("t", "c")
    await store.readable()
    page = await Feed(store.pool).read(BEGINNING, limit=10, selection=Selection({COLLECTION_PAUSED}, source="s"))
    assert [(event.source, event.type) for event in page.events] == [("s", COLLECTION_PAUSED)]


@pytest.mark.parametrize("statement", ["pause", "resume", "reset_collection"])
async def test_a_change_that_waited_for_a_later_transaction_is_sent_again(
    store: Store, database_url: str, statement: str
) -> None:
    """Its transaction id is the lower one, and the feed would show it first."""
    pauses = Pauses(store.pool)
    await pauses.pause("s", "c")
    await reset_collection(store.pool, "s", "c")
    early = await connect(database_url)
    try:
        transaction = early.transaction()
        await transaction.start()
        await early.fetchval("SELECT pg_current_xact_id()")
        await pauses.pause("s", "c", cause=ANNA)
        await reset_collection(store.pool, "s", "c")
        values = {"pause": ("s", "c", None, "{}"), "resume": ("s", "c", "{}"), "reset_collection": ("s", "c", "{}")}
        rows = await early.fetch({**PAUSES, **RESETS}[statement], *values[statement])
        refused = {"pause": [(None, False)], "resume": [(True, False)], "reset_collection": []}
        assert [tuple(row) for row in rows] == refused[statement]
        await transaction.rollback()
    finally:
        await early.close()
    assert await verify(store.pool) == []


async def test_pauses_and_resets_are_those_of_the_facts(store: Store) -> None:
    pauses = Pauses(store.pool)
    for collection in ("a", "b"):
        await pauses.pause("s", collection, cause=ANNA)
        await reset_collection(store.pool, "s", collection)
    await pauses.pause("s", None, until=now() + timedelta(days=1))
    await pauses.resume("s", "b")
    await store.schedule("a")
    assert await verify(store.pool) == []
    tables = ("pauses", "resets")
    before = {table: await store.pool.fetch(f"SELECT * FROM syncline.{table} ORDER BY 1, 2") for table in tables}
    await store.admin.execute("DELETE FROM syncline.pauses WHERE collection = 'a'")
    await store.admin.execute("UPDATE syncline.pauses SET ends_at = 'infinity', note = 'x' WHERE collection = 'b'")
    await store.admin.execute("UPDATE syncline.resets SET generation = 1 WHERE collection = 'a'")
    await store.admin.execute(
        "INSERT INTO syncline.resets SELECT source, 'z', generation, reset_at, fact, xid FROM syncline.resets LIMIT 1"
    )
    drifts = {(drift.projection, drift.key, drift.column) for drift in await verify(store.pool)}
    assert drifts == {
        ("pauses", "s/a", "row"),
        ("pauses", "s/b", "ends_at"),
        ("pauses", "s/b", "note"),
        ("resets", "s/a", "generation"),
        ("resets", "s/z", "row"),
    }
    assert await rebuild(store.pool, "pauses") == 3
    counts = await rebuild_all(store.pool)
    assert (counts["pauses"], counts["resets"]) == (3, 2)
    assert await verify(store.pool) == []
    after = {table: await store.pool.fetch(f"SELECT * FROM syncline.{table} ORDER BY 1, 2") for table in tables}
    assert after == before


async def test_a_reset_of_an_earlier_release_stays(store: Store) -> None:
    await store.admin.execute("INSERT INTO syncline.resets VALUES ('s', 'c', 7, now())")
    assert await verify(store.pool) == []
    await rebuild(store.pool, "resets")
    assert await store.pool.fetchval("SELECT generation FROM syncline.resets") == 7


async def test_many_pauses_at_once_leave_the_last_ones_row(store: Store) -> None:
    pauses = Pauses(store.pool)
    ends: list[datetime] = [now() + timedelta(hours=number) for number in range(1, 9)]
    await asyncio.gather(*(pauses.pause("s", "c", until=end) for end in ends))
    assert len(await facts(store)) == len(ends)
    assert await verify(store.pool) == []
