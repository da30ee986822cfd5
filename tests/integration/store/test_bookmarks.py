"""Bookmarks that are set by hand: the event, the rows that rest on it, and what it means to each destination."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import SavedBookmark, SetBookmark
from app.domain.cause import Actor, Cause
from app.domain.errors import CollectionBusyError
from app.domain.events import BOOKMARK_SET
from app.domain.feed import BEGINNING, Place
from app.domain.task import Status
from app.projections import rebuild, verify
from app.store.bookmarks import Bookmarks
from app.store.database import connect
from app.store.feed import Feed
from app.store.queries import load_statements
from app.store.resets import reset_collection
from tests.harness import until

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

    from app.domain.claim import Claim
    from tests.harness import Store

BOOKMARKS = load_statements("bookmarks.sql")
BOTH = ["d", "e"]


async def save(store: Store, worker: UUID, claim: Claim, at: int, *destinations: str, commit: int = 1) -> None:
    for number, destination in enumerate(destinations or ["d"]):
        await store.streams.save_bookmark(
            worker, claim, commit=commit + number, destination=destination, rows=1, bookmark={"at": at}, standing="{}"
        )


async def loaded(store: Store, at: int, *destinations: str) -> Claim:
    """A task that has saved a bookmark at these destinations."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    await save(store, worker, claim, at, *destinations)
    assert await store.end(worker, claim)
    return claim


async def current(store: Store) -> dict[str, str]:
    return {row["destination"]: row["bookmark"] for row in await Bookmarks(store.pool).list_current("s", "c")}


async def set_(store: Store, **given: str | None) -> int:
    return (await Bookmarks(store.pool).set("s", "c", given)).generation


@asynccontextmanager
async def setting_that_waits(store: Store, database_url: str) -> AsyncIterator[tuple[asyncpg.Connection, Task[int]]]:
    """A transaction that has locked the collection, and a bookmark being set, which waits for its end."""
    other = await connect(database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM syncline.collections FOR UPDATE")
            setting = asyncio.create_task(set_(store, d='{"at": 2}'))

            async def waits() -> bool:
                return await store.is_waiting("head AS MATERIALIZED")

            await until(waits)
            yield other, setting
    finally:
        await other.close()


async def meaning(store: Store) -> tuple[Claim, dict[str, SetBookmark]]:
    """The next claim, and what it is told; its task is handed back."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    told = await Bookmarks(store.pool).get_set_since(claim, BOTH)
    assert await store.end(worker, claim, status=Status.CANCELED)
    return claim, told


async def test_a_bookmark_that_is_set_is_that_of_a_new_generation(store: Store) -> None:
    await loaded(store, 7, *BOTH)
    generation = await set_(store, d='{"at": 3}')
    assert await current(store) == {"d": '{"at": 3}', "e": '{"at": 7}'}
    claim, told = await meaning(store)
    assert claim.generation == generation
    assert told == {"d": SetBookmark((), '{"at": 3}'), "e": SetBookmark((0,))}
    saved = await store.streams.get_saved_bookmarks(claim)
    assert saved == {"d": SavedBookmark({"at": 3}, "{}"), "e": SavedBookmark({"at": 7}, "{}")}
    assert await verify(store.pool) == []


async def test_null_is_as_after_a_reset_at_that_destination_alone(store: Store) -> None:
    await loaded(store, 7, *BOTH)
    await set_(store, d=None)
    assert await current(store) == {"e": '{"at": 7}'}
    claim, told = await meaning(store)
    assert told == {"d": SetBookmark(), "e": SetBookmark((0,))}
    assert set(await store.streams.get_saved_bookmarks(claim)) == {"e"}
    assert await verify(store.pool) == []


async def test_what_was_set_before_and_not_used_yet_stays_set(store: Store) -> None:
    await loaded(store, 7, *BOTH)
    first = await set_(store, d='{"at": 3}')
    second = await set_(store, e='{"at": 4}')
    claim, told = await meaning(store)
    saved = await store.streams.get_saved_bookmarks(claim)
    assert saved == {"d": SavedBookmark({"at": 3}, "{}"), "e": SavedBookmark({"at": 4}, "{}")}
    # A commit of the first generation may be in `d` although the store has not heard of it.
    assert told == {"d": SetBookmark((first,), '{"at": 3}'), "e": SetBookmark((), '{"at": 4}')}
    await loaded(store, 8, "d")
    _, told = await meaning(store)
    assert told["d"] == SetBookmark(), "its own bookmark counts as always"
    await set_(store, e=None)
    _, told = await meaning(store)
    assert told == {"d": SetBookmark((second, first, 0)), "e": SetBookmark()}
    assert await current(store) == {"d": '{"at": 8}'}


async def test_a_reset_ends_what_was_set(store: Store) -> None:
    await loaded(store, 7, *BOTH)
    await set_(store, d='{"at": 3}')
    await reset_collection(store.pool, "s", "c")
    assert await current(store) == {}
    assert (await meaning(store))[1] == {}
    before = await set_(store, d='{"at": 3}')
    assert (await meaning(store))[1]["e"].still_valid != (0,), "before the reset nothing counts"
    assert before
    assert await verify(store.pool) == []


async def test_a_running_task_stands_in_the_way_and_a_queued_one_does_not(store: Store) -> None:
    worker = await store.worker()
    task = await store.schedule()
    await set_(store, d='{"at": 1}')
    claim = await store.claim(worker)
    everything = await store.everything()
    with pytest.raises(CollectionBusyError, match=rf"Task \[s_c_{task}\] is running: cancel it, or wait"):
        await set_(store, d='{"at": 2}')
    assert await store.everything() == everything
    assert await store.end(worker, claim)
    await set_(store, d='{"at": 2}')


async def test_a_task_that_begins_while_it_waits_stands_in_the_way(store: Store, database_url: str) -> None:
    worker = await store.worker()
    await store.schedule()
    async with setting_that_waits(store, database_url) as (other, setting):
        await other.execute("UPDATE syncline.collections SET status = 'RUNNING', worker = $1", worker)
    with pytest.raises(CollectionBusyError):
        await setting


async def test_a_bookmark_that_is_saved_while_it_waits_is_kept(store: Store, database_url: str) -> None:
    """The statement's snapshot is older than its lock: what it would carry over is sent again."""
    await loaded(store, 7, *BOTH)
    async with setting_that_waits(store, database_url) as (other, setting):
        await other.execute("""UPDATE syncline.bookmarks SET bookmark = '{"at": 9}'""")
        await other.execute("UPDATE syncline.collections SET xid = syncline.position()")
    await setting
    assert await current(store) == {"d": '{"at": 2}', "e": '{"at": 9}'}


async def test_a_transaction_with_a_lower_id_cannot_set_after_a_later_one(store: Store, database_url: str) -> None:
    older = await connect(database_url)
    try:
        async with older.transaction():
            await older.execute("SELECT syncline.position()")
            newest = await set_(store, d='{"at": 2}')
            row = await older.fetchrow(BOOKMARKS["set_bookmarks"], "s", "c", '{"d": 1}', "{}")
            assert row is not None
            assert row["generation"] is None
    finally:
        await older.close()
    assert await store.pool.fetchval("SELECT generation FROM syncline.resets") == newest
    assert await verify(store.pool) == []


async def test_a_bookmark_of_an_older_generation_replaces_none(store: Store) -> None:
    """A claim that read the generation a moment before the bookmark was set."""
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.admin.execute("UPDATE syncline.collections SET status = 'SCHEDULED'")
    await set_(store, d='{"at": 2}')
    await store.admin.execute("UPDATE syncline.collections SET status = 'RUNNING'")
    await save(store, worker, claim, 9)
    assert await current(store) == {"d": '{"at": 2}'}
    assert await verify(store.pool) == []
    await rebuild(store.pool, "bookmarks")
    assert await current(store) == {"d": '{"at": 2}'}


async def test_the_feed_shows_that_it_was_set_and_by_whom_but_not_the_values(store: Store) -> None:
    anna = Cause(Actor("token", "anna"), "the source was wrong")
    done = await Bookmarks(store.pool).set("s", "c", {"d": '{"token": "hunter2-hunter2"}'}, cause=anna)
    await store.readable()
    [event] = (await Feed(store.pool).read(BEGINNING, limit=10)).events
    assert (event.type, event.place, event.subject) == (BOOKMARK_SET, done.place, "s/c")
    assert "anna" in event.details
    assert "the source was wrong" in event.details
    assert '"d"' in event.details
    assert "hunter2" not in event.details
    [row] = await store.admin.fetch("SELECT type, who, note, data::text FROM reporting.history")
    assert (row["type"], row["who"], row["note"]) == (BOOKMARK_SET, "anna", "the source was wrong")
    assert "hunter2" not in row["data"]


async def test_every_digit_of_a_value_stays(store: Store) -> None:
    value = '{"at": 12345678901234567890123.4500}'
    await set_(store, d=value)
    assert await current(store) == {"d": value}
    assert (await meaning(store))[1]["d"].bookmark == value


async def test_bookmarks_at_a_place_are_those_of_their_time(store: Store) -> None:
    bookmarks = Bookmarks(store.pool)
    await loaded(store, 1, *BOTH)
    await loaded(store, 2, "d")
    await set_(store, d='{"at": 0}')
    await loaded(store, 3, "d")
    await reset_collection(store.pool, "s", "c")
    await loaded(store, 4, "e")
    await set_(store, e=None)
    history = await bookmarks.list_history("s", "c", limit=100)
    places = [Place(row["xid"], row["task"], row["version"]) for row in reversed(history)]
    one, two, three, four, none = (f'{{"at": {number}}}' for number in (1, 2, 3, 4, 0))
    assert [await bookmarks.list_at("s", "c", place) for place in places] == [
        {"d": one},
        {"d": one, "e": one},
        {"d": two, "e": one},
        {"d": none, "e": one},
        {"d": three, "e": one},
        {},
        {"e": four},
        {"e": None},
    ]
    assert await bookmarks.list_at("s", "c", Place.after_all_of(places[2].position)) == {"d": two, "e": one}
    assert await bookmarks.list_at("s", "c", BEGINNING) == {}
    of_e = await bookmarks.list_history("s", "c", limit=2, destination="e")
    assert [row["type"] for row in of_e] == ["BookmarkSet", "BookmarkSaved"]
    assert await bookmarks.knows(places[0])
    assert not await bookmarks.knows(replace(places[0], version=99))


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_was_saved_set_and_reset_the_rows_are_those_that_the_events_say(store: Store, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - it only has to vary
    worker = await store.worker()
    expected: dict[str, Any] = {}
    for step in range(30):
        match random.choice(["load", "load", "set", "null", "reset"]):
            case "load":
                claim = await store.claimed(worker)
                saved = random.sample(BOTH, random.randint(1, 2))
                await save(store, worker, claim, step, *saved)
                assert await store.end(worker, claim)
                expected |= dict.fromkeys(saved, f'{{"at": {step}}}')
            case "set":
                given = dict.fromkeys(random.sample(BOTH, random.randint(1, 2)), f'{{"at": {step}}}')
                await set_(store, **given)
                expected |= given
            case "null":
                name = random.choice(BOTH)
                await set_(store, **{name: None})
                expected.pop(name, None)
            case _:
                await reset_collection(store.pool, "s", "c")
                expected = {}
        assert await current(store) == expected
    assert await verify(store.pool) == []
    await store.admin.execute("TRUNCATE syncline.bookmarks, syncline.resets")
    assert expected == {} or await verify(store.pool)
    await rebuild(store.pool, "resets")
    await rebuild(store.pool, "bookmarks")
    assert await verify(store.pool) == []
    assert await current(store) == expected
