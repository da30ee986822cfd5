"""Events are searched from the newest on, page by page, and back again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from app.domain.cause import Actor, Cause
from app.domain.events import TASK_SCHEDULED, TASK_STARTED, TYPES
from app.domain.feed import BEGINNING, END, Place, Search
from app.store.feed import Feed
from tests.harness import a_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.feed import FeedEvent
    from tests.harness import Store

ALL = Search()


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store.pool)


async def everything(feed: Feed) -> list[FeedEvent]:
    """All events, newest first."""
    page = await feed.read(await feed.get_start(), limit=1000)
    return [*reversed(page.events)]


async def fill(store: Store) -> None:
    """Tasks of two sources, some of which were started; some in one transaction."""
    worker = await store.worker()
    for number in range(5):
        await store.claimed(worker, f"c{number}", source="Shop")
    await store.queue.schedule(a_task("orders", "crm", cause=Cause(Actor("token", "Alice"), "prices were wrong")))
    async with store.admin.transaction():
        await store.admin.execute(
            "INSERT INTO syncline.events (task, version, type, at, attempt, data)"
            " SELECT syncline.uuid7(now()), 1, 'CollectionReset', now(), 0,"
            ' \'{"source": "crm", "collection": "users", "bookmark": 1}\' FROM generate_series(1, 7)'
        )


async def backwards(feed: Feed, search: Search, limit: int) -> list[FeedEvent]:
    found: list[FeedEvent] = []
    place, more = END, True
    while more:
        page = await feed.search_before(search, place, limit=limit)
        assert len(page.events) <= limit
        found += page.events
        place, more = page.reached or place, page.more
    return found


async def forwards(feed: Feed, search: Search, limit: int) -> list[FeedEvent]:
    found: list[FeedEvent] = []
    place, more = BEGINNING, True
    while more:
        page = await feed.search_after(search, place, limit=limit)
        found += page.events
        place, more = page.reached or place, page.more
    return found[::-1]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_both_ways_lead_through_all_events_of_the_feed(store: Store, feed: Feed, limit: int) -> None:
    await fill(store)
    expected = await everything(feed)
    assert len(expected) == 18
    assert await backwards(feed, ALL, limit) == expected
    assert await forwards(feed, ALL, limit) == expected


def names(events: Sequence[FeedEvent]) -> set[tuple[str, str]]:
    return {(each.subject, each.type) for each in events}


async def test_each_part_of_a_search_narrows_it(store: Store, feed: Feed) -> None:
    await fill(store)
    expected = await everything(feed)
    task = next(each for each in expected if each.subject == "Shop/c3").place.task
    started = Search(types={TASK_STARTED})
    for search, wanted in (
        (started, [each for each in expected if each.type == TASK_STARTED]),
        (Search(without={TASK_STARTED}), [each for each in expected if each.type != TASK_STARTED]),
        (Search(source="sho"), [each for each in expected if each.source == "Shop"]),
        (Search(collection="c3"), [each for each in expected if each.collection == "c3"]),
        (Search(words=("shop", "c3")), [each for each in expected if each.subject == "Shop/c3"]),
        (Search(source="SHO"), [each for each in expected if each.source == "Shop"]),
        (Search(words=("oP.C",)), [each for each in expected if each.source == "Shop"]),
        (Search(by="LIC"), [each for each in expected if each.subject == "crm/orders"]),
        (Search(task=task), [each for each in expected if each.place.task == task]),
        (Search(task=task, types={TASK_SCHEDULED}), [each for each in expected if each.place.task == task][1:]),
        (Search(source="%"), []),
        (Search(types=frozenset(TYPES)), expected),
    ):
        for limit in (1, 50):
            assert await backwards(feed, search, limit) == wanted, search
            assert await forwards(feed, search, limit) == wanted, search


async def test_a_search_says_how_far_it_has_come(store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(store)
    monkeypatch.setattr("app.store.feed._FIRST_LOOKED_AT", 2)
    monkeypatch.setattr("app.store.feed._MOST_LOOKED_AT", 4)
    expected = await everything(feed)
    found = await feed.search_before(Search(source="nobody"), END, limit=1)
    assert (found.events, found.looked_at, found.more) == ([], 6, True)
    assert (found.reached, found.reached_at) == (expected[5].place, expected[5].at)
    # As many as are wanted, although it has looked further, to see whether there are more.
    found = await feed.search_before(Search(source="crm"), END, limit=3)
    assert (found.reached, found.more) == (expected[2].place, True)


async def test_an_empty_feed_has_nothing_to_look_at(feed: Feed) -> None:
    found = await feed.search_before(ALL, END, limit=1)
    assert (found.events, found.looked_at, found.reached, found.more) == ([], 0, None, False)


async def test_what_is_not_before_a_position_is_left_out(store: Store, feed: Feed) -> None:
    await fill(store)
    expected = await everything(feed)
    upto = expected[9].place.position
    wanted = [each for each in expected if each.place.position <= upto]
    found = await feed.search_before(ALL, END, limit=50, upto=upto)
    assert found.events == wanted
    found = await feed.search_after(ALL, BEGINNING, limit=50, upto=upto)
    assert found.events == wanted[::-1]
    task = Search(task=expected[-1].place.task)
    assert (await feed.search_before(task, END, limit=50, upto=expected[-1].place.position)).events == [expected[-1]]


async def test_events_whose_transactions_others_may_precede_are_not_shown(store: Store, feed: Feed) -> None:
    await store.schedule("first")
    async with store.admin.transaction():
        await store.admin.execute("SELECT pg_current_xact_id()")
        await store.schedule("second")
        found = await feed.search_before(ALL, END, limit=5)
        assert [each.collection for each in found.events] == ["first"]
        found = await feed.search_before(Search(words=("second",)), END, limit=5)
        assert found.events == []
    found = await feed.search_before(ALL, END, limit=5)
    assert [each.collection for each in found.events] == ["second", "first"]


async def test_bookmarks_are_not_shown(store: Store, feed: Feed) -> None:
    await fill(store)
    assert all("bookmark" not in each.details for each in await backwards(feed, ALL, 50))


async def test_a_time_has_a_position_that_nothing_before_it_is_beyond(store: Store, feed: Feed) -> None:
    await fill(store)
    now = datetime.now(UTC)
    assert await feed.find_position_after(now + timedelta(days=1)) == END.position
    events = await everything(feed)
    position = await feed.find_position_after(now - timedelta(days=1))
    assert position == events[-1].place.position
    assert Place.after_all_of(position) >= events[-1].place
