"""The feed: every event once and in order, whatever commits when, and whatever was taken away."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
import pytest

from app.domain.errors import EventsGoneError
from app.domain.events import TASK_SCHEDULED, TASK_SUCCEEDED
from app.domain.feed import BEGINNING, EVERYTHING, Place, Selection, read_place
from app.store.database import connect, open_pool
from app.store.feed import Feed
from app.store.queue import schedule_tasks
from tests.harness import a_task
from tests.integration.store.test_sessions import pooled, set_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.feed import FeedEvent
    from tests.harness import Store

IN_ORDER = "SELECT e.xid, e.task, e.version FROM syncline.events e ORDER BY e.xid, e.task, e.version"
SCHEDULE = """
INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
VALUES (syncline.uuid7(syncline.clock(), NULL), 1, 'TaskScheduled', syncline.clock(), 'SCHEDULED', 0,
        jsonb_build_object('source', 's', 'collection', $1::text))
"""


async def stored(store: Store) -> list[Place]:
    return [Place(xid, task, version) for xid, task, version in await store.pool.fetch(IN_ORDER)]


async def read_all(
    feed: Feed, *, limit: int, after: Place = BEGINNING, selection: Selection = EVERYTHING
) -> Sequence[FeedEvent]:
    """All pages; a new reader takes over after each, as after a crash."""
    events: list[FeedEvent] = []
    more = True
    while more:
        page = await feed.read(after, limit=limit, selection=selection)
        assert len(page.events) <= limit
        assert page.reached >= after
        events += page.events
        after, more = page.reached, page.more
    return events


async def some_life(store: Store) -> None:
    worker = await store.worker()
    await schedule_tasks(store.pool, [a_task(f"c{number}", source="many") for number in range(7)])
    for _ in range(7):
        claim = await store.claim(worker)
        await store.streams.report_progress(worker, [(claim, {"records_read": 1, "bytes_read": 2})])
        await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=3, bookmark={"at": "secret"})
        await store.end(worker, claim)
    await store.schedule("alone", source="other")
    await store.readable()


@pytest.mark.parametrize("limit", [1, 3, 10_000])
async def test_pages_have_every_event_once_and_in_order(store: Store, limit: int) -> None:
    await some_life(store)
    events = await read_all(Feed(store.pool), limit=limit)
    assert [event.place for event in events] == await stored(store)
    assert {(event.source, event.collection) for event in events} == {
        *(("many", f"c{number}") for number in range(7)),
        ("other", "alone"),
    }
    assert not any("secret" in event.details for event in events)


async def test_the_feed_is_the_same_behind_a_pooler(store: Store, database_url: str) -> None:
    await some_life(store)
    set_database(database_url, synchronous_commit="on")
    async with open_pool(pooled(database_url), name="test") as pool:
        assert await read_all(Feed(pool), limit=3) == await read_all(Feed(store.pool), limit=10_000)


@pytest.mark.parametrize("limit", [1, 3, 10_000])
async def test_a_selection_has_its_events_and_no_others(store: Store, limit: int) -> None:
    await some_life(store)
    feed = Feed(store.pool)
    everything = await read_all(feed, limit=10_000)
    for selection in (
        Selection(types={TASK_SCHEDULED, TASK_SUCCEEDED}),
        Selection(source="other"),
        Selection(collection="c3"),
        Selection(types={TASK_SUCCEEDED}, source="many", collection="c3"),
        Selection(source="nobody"),
    ):
        wanted = [event for event in everything if selection.takes(event)]
        assert await read_all(feed, limit=limit, selection=selection) == wanted


# As none or few real ones are: text that JSON escapes, whole seconds, no check, names and versions that are missing.
UNUSUAL = """
INSERT INTO syncline.events (task, version, type, v, at, status, attempt, worker, data)
SELECT coalesce(task, syncline.uuid7(syncline.clock(), NULL)), version, type, v, at, status, attempt, worker, data
FROM (VALUES
  ($1::uuid, 1, 'TaskScheduled', 1, timestamptz '2026-11-30 09:58:27Z', 'SCHEDULED', 0, NULL::uuid,
   jsonb_build_object('source', E'a "b"\\\\ é\\n\\x7f', 'collection', E'\\t/🦆')),
  ($1, 2, 'TaskStarted', 3, timestamptz '2026-11-30 09:58:27.1Z', 'RUNNING', 1, $1,
   '{"n": 1.50, "bookmark": "secret"}'),
  (NULL, 1, 'TaskScheduled', 1, timestamptz 'epoch' + interval '4294.967296 s' * 400000, 'SCHEDULED', 0, NULL,
   '{"source": "s", "collection": "c"}'),
  (NULL, 1, 'TaskScheduled', 1, timestamptz '2026-11-30 09:58:27.000001Z', 'SCHEDULED', 0, NULL,
   '{"source": "", "collection": ""}'),
  (NULL, 1, 'TaskScheduled', 1, timestamptz '2026-11-30 09:58:27.123456Z', 'SCHEDULED', 0, NULL, '{"source": "s"}'),
  (NULL, 1, 'CollectionPaused', 1, timestamptz '2026-11-30 09:58:27.5Z', NULL, 0, NULL,
   '{"source": "s", "collection": "c", "note": "a\\nb"}'),
  (NULL, 1, 'CollectionPaused', 1, timestamptz '2026-11-30 09:58:27.5Z', NULL, 0, NULL, '{"source": "a\\"b"}'),
  (NULL, 1, 'CatalogueChanged', 1, timestamptz '2026-11-30 09:58:27.5Z', NULL, 0, NULL, '{}')
) AS e (task, version, type, v, at, status, attempt, worker, data)
"""


async def read_documents(feed: Feed, *, limit: int, selection: Selection = EVERYTHING) -> list[str]:
    """The documents of all pages, each of which ends where that of the events ends."""
    documents: list[str] = []
    after, more = BEGINNING, True
    while more:
        page = await feed.read_documents(after, limit=limit, selection=selection)
        events = await feed.read(after, limit=limit, selection=selection)
        assert (len(page.documents), page[1:]) == (len(events.events), events[1:])
        assert page.reached.check == events.reached.check
        documents += page.documents
        after, more = page.reached, page.more
    return documents


@pytest.mark.parametrize("limit", [1, 3, 10_000])
async def test_the_server_makes_the_same_documents_of_events(store: Store, limit: int) -> None:
    await some_life(store)
    await store.admin.execute(UNUSUAL, UUID(int=1))
    await store.readable()
    feed = Feed(store.pool)
    events, installation = await read_all(feed, limit=10_000), await feed.get_installation()
    assert {len(str(event.place).split(".")) for event in events} == {3, 4}
    for selection in (EVERYTHING, Selection(source="many"), Selection(types={TASK_SUCCEEDED}, collection="c3")):
        wanted = [event.document(installation) for event in events if selection.takes(event)]
        assert await read_documents(feed, limit=limit, selection=selection) == wanted
    assert not any("secret" in document for document in wanted)


async def test_an_event_of_a_type_that_is_not_known_has_a_document(store: Store) -> None:
    """As one of a later release, while not all processes have been upgraded."""
    await store.schedule("c")
    async with store.admin.transaction():
        await store.admin.execute("SET LOCAL session_replication_role = replica")
        await store.admin.execute("UPDATE syncline.events SET type = 'TaskTurnedBlue'")
    await store.readable()
    [document] = (await Feed(store.pool).read_documents(BEGINNING, limit=10)).documents
    assert orjson.loads(document)["type"] == "dev.syncline.task.turned_blue.v1"
    assert orjson.loads(document)["data"]["collection"] == "c"


async def test_a_page_may_begin_within_the_life_of_a_task(store: Store) -> None:
    await some_life(store)
    feed = Feed(store.pool)
    everything = await read_all(feed, limit=10_000)
    for number, event in enumerate(everything):
        page = await feed.read(event.place, limit=10_000)
        assert page.events == everything[number + 1 :]


async def test_a_reader_of_rare_events_goes_on_past_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.feed._MOST_LOOKED_AT", 5)
    await some_life(store)
    feed = Feed(store.pool)
    page = await feed.read(BEGINNING, limit=5, selection=Selection(source="other"))
    assert (page.events, page.more) == ([], True)
    assert page.reached == (await stored(store))[4]
    assert len(await read_all(feed, limit=5, selection=Selection(source="other"))) == 1


async def test_nothing_is_skipped_behind_a_transaction_that_is_still_open(store: Store, database_url: str) -> None:
    feed = Feed(store.pool)
    early = await connect(database_url)
    try:
        async with early.transaction():
            await early.execute(SCHEDULE, "early")
            await store.schedule("late")
            page = await feed.read(BEGINNING, limit=10)
            assert (page.events, page.reached, page.more) == ([], BEGINNING, False)
            assert await feed.get_end() == BEGINNING
    finally:
        await early.close()
    await store.readable()
    page = await feed.read(page.reached, limit=10)
    assert [event.collection for event in page.events] == ["early", "late"]
    assert await feed.get_end() == page.reached
    assert await feed.read(page.reached, limit=10) == ([], page.reached, False)


async def test_readers_at_any_time_have_the_same_events_whatever_commits_when(store: Store, database_url: str) -> None:
    feed, chance = Feed(store.pool), random.Random(17)  # noqa: S311 -- no secret
    readers: dict[int, tuple[list[Place], Place]] = {limit: ([], BEGINNING) for limit in (1, 2, 50)}
    async with AsyncExitStack() as stack:
        writers = [await connect(database_url) for _ in range(4)]
        for writer in writers:
            stack.push_async_callback(writer.close)
        open_: dict[int, str] = {}
        for step in range(300):
            number = chance.randrange(len(writers))
            writer = writers[number]
            if number not in open_:
                await writer.execute("BEGIN")
                open_[number] = "open"
            elif chance.random() < 0.5:
                for _ in range(chance.randrange(1, 4)):
                    await writer.execute(SCHEDULE, str(step))
            else:
                await writer.execute(chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
                del open_[number]
            limit = chance.choice([*readers])
            places, after = readers[limit]
            page = await feed.read(after, limit=limit)
            readers[limit] = [*places, *(event.place for event in page.events)], page.reached
        for number in open_:
            await writers[number].execute("COMMIT")
    await store.readable()
    expected = await stored(store)
    assert len(expected) > 100
    for limit, (places, after) in readers.items():
        rest = await read_all(feed, limit=limit, after=after)
        assert [*places, *(event.place for event in rest)] == expected


async def test_a_reader_that_lacks_events_is_told_where_it_can_go_on(store: Store) -> None:
    await some_life(store)
    feed = Feed(store.pool)
    everything = await stored(store)
    middle = everything[8]
    first = Place.after_all_of(middle.position)
    await store.admin.execute("UPDATE syncline.retention SET gone_upto = $1", middle.position)
    assert await feed.get_start() == first
    assert [event.place for event in (await feed.read(first, limit=1000)).events] == [
        place for place in everything if place.position > middle.position
    ]
    for place in (BEGINNING, middle):
        with pytest.raises(EventsGoneError, match="removed by retention") as gone:
            await feed.read(place, limit=1)
        assert gone.value.first == str(first)


async def test_a_reader_of_what_the_store_has_lost_is_told(store: Store) -> None:
    """As after a failover: the last events are gone, and others get their positions."""
    await some_life(store)
    feed = Feed(store.pool)
    *_, kept, lost = await stored(store)
    async with store.admin.transaction():
        await store.admin.execute("SET LOCAL session_replication_role = replica")
        await store.admin.execute("DELETE FROM syncline.events WHERE xid = $1", lost.position)
    await store.schedule("in its place")
    await store.readable()
    assert (await feed.read(kept, limit=2)).events[0].collection == "in its place"
    for place in (lost, replace(lost, version=2), Place.after_all_of(2**50)):
        with pytest.raises(EventsGoneError, match="lost its last events") as gone:
            await feed.read(place, limit=1)
        assert gone.value.first == str(BEGINNING)


async def test_an_event_that_has_taken_the_place_of_a_lost_one_is_another(store: Store) -> None:
    """After a failover, a task's next event may get the very position that the lost one had."""
    await some_life(store)
    feed = Feed(store.pool)
    seen = (await read_all(feed, limit=1000))[-1].place
    async with store.admin.transaction():
        await store.admin.execute("SET LOCAL session_replication_role = replica")
        await store.admin.execute("UPDATE syncline.events SET at = at + interval '1 s' WHERE task = $1", seen.task)
    [*_, again] = await read_all(feed, limit=1000)
    assert again.place == seen
    assert str(again.place) != str(seen)
    with pytest.raises(EventsGoneError, match="lost its last events"):
        await feed.read(read_place(str(seen)), limit=1)
    assert (await feed.read(read_place(str(again.place)), limit=1)).events == []
    # Clients may have kept what has no check.
    assert (await feed.read(replace(seen, check=0), limit=1)).events == []


async def test_the_installation_has_an_id_that_stays(store: Store) -> None:
    installation = await Feed(store.pool).get_installation()
    assert installation == await Feed(store.pool).get_installation()
    assert UUID(installation.removeprefix("urn:uuid:"))
