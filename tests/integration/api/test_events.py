"""`GET /api/v1/events`: pages in the envelope of CloudEvents, and streams of server-sent events."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.api.http.live_feed import LiveFeed
from app.domain.api_token import TokenScope
from app.domain.errors import EventsGoneError
from app.domain.events import TYPES
from app.domain.feed import BEGINNING, EVERYTHING, FeedEvent, Place, Selection, public_type
from app.store.feed import Feed, FeedPage
from app.store.tokens import TokenAdmin
from tests.harness import until
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.harness import Store
    from tests.integration.api.serving import OpenedApi, ServerProcess

EVENTS = "/api/v1/events"
STREAM = {"Accept": "text/event-stream"}


async def ended_task(store: Store, collection: str = "c") -> str:
    worker = await store.worker()
    claim = await store.claimed(worker, collection)
    await store.end(worker, claim)
    await store.readable()
    return claim.task_id


async def test_an_event_has_the_envelope_of_cloudevents(client: httpx.AsyncClient, store: Store) -> None:
    task_id = await ended_task(store)
    page = (await client.get(EVENTS)).json()
    assert page["more"] is False
    assert [event["type"] for event in page["events"]] == [
        f"dev.syncline.task.{what}.v1" for what in ("scheduled", "started", "succeeded")
    ]
    scheduled, started, succeeded = page["events"]
    for event in page["events"]:
        assert event["specversion"] == "1.0"
        assert event["source"].startswith("urn:uuid:")
        assert event["subject"] == "s/c"
        assert datetime.fromisoformat(event["time"]).tzinfo
        assert event["data"]["task_id"] == task_id
        assert event["data"].keys() - {"worker"} == {
            *("task_id", "source", "collection", "version", "status", "attempt", "details")
        }
    assert len({event["id"] for event in page["events"]}) == 3
    assert scheduled["data"]["details"]["trigger"] == "api"
    assert "worker" in started["data"]
    assert succeeded["data"]["status"] == "SUCCESS"


async def test_a_client_goes_on_after_an_event_or_after_a_page(client: httpx.AsyncClient, store: Store) -> None:
    await ended_task(store)
    every = (await client.get(EVENTS)).json()["events"]
    first = (await client.get(EVENTS, params={"limit": 1})).json()
    assert (first["events"], first["more"]) == (every[:1], True)
    assert (await client.get(EVENTS, params={"after": first["next"]})).json()["events"] == every[1:]
    for number, event in enumerate(every):
        rest = (await client.get(EVENTS, params={"after": event["id"]})).json()
        assert rest["events"] == every[number + 1 :]
        assert (await client.get(EVENTS, params={"after": rest["next"]})).json()["events"] == []


async def test_a_header_says_where_the_next_page_is(client: httpx.AsyncClient, store: Store) -> None:
    for collection in ("a", "b", "c"):
        await ended_task(store, collection)
    filters = {"types": "task.scheduled,task.succeeded", "source": "s"}
    wanted = (await client.get(EVENTS, params=filters)).json()["events"]
    page = await client.get(EVENTS, params=filters | {"limit": "4", "after": "0", "other": "x"})
    assert page.json()["events"] == wanted[:4]
    assert page.links["next"]["url"].startswith("?")
    rest = await client.get(str(page.url.join(page.links["next"]["url"])))
    assert rest.url.params == httpx.QueryParams(filters | {"limit": "4", "after": page.json()["next"]})
    assert (rest.json()["events"], rest.json()["more"]) == (wanted[4:], False)
    assert "link" not in rest.headers


async def test_the_header_has_no_token_and_is_not_there_where_another_has_precedence(
    client: httpx.AsyncClient, store: Store
) -> None:
    await ended_task(store)
    for parameters in ({"limit": "1", "token": TOKEN}, {"limit": "1"}):
        page = await client.get(EVENTS, params=parameters)
        assert page.json()["more"]
        assert TOKEN not in page.headers["link"]
    again = await client.get(EVENTS, params={"limit": "1"}, headers={"Last-Event-ID": page.json()["next"]})
    assert again.json()["more"]
    assert "link" not in again.headers


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"types": "task.succeeded"}, [("task.succeeded", "a"), ("task.succeeded", "b")]),
        ({"types": "dev.syncline.task.succeeded.v1", "collection": "b"}, [("task.succeeded", "b")]),
        (
            {"types": "task.scheduled, task.started", "collection": "a"},
            [("task.scheduled", "a"), ("task.started", "a")],
        ),
        ({"source": "nobody"}, []),
    ],
)
async def test_filters(
    client: httpx.AsyncClient, store: Store, filters: dict[str, str], wanted: list[tuple[str, str]]
) -> None:
    for collection in ("a", "b"):
        await ended_task(store, collection)
    events = (await client.get(EVENTS, params=filters)).json()["events"]
    assert [(event["type"][13:-3], event["data"]["collection"]) for event in events] == wanted


@pytest.mark.parametrize(
    ("parameters", "field", "told"),
    [
        ({"types": "task.exploded"}, "types", "task.scheduled, task.started"),
        ({"limit": "0"}, "limit", "from 1 to 10000"),
        ({"limit": "10001"}, "limit", "from 1 to 10000"),
        ({"after": "yesterday"}, "after", "the id of an event"),
        ({"after": "99999999999999999999"}, "after", "the id of an event"),
    ],
)
async def test_a_mistake_is_told(client: httpx.AsyncClient, parameters: dict[str, str], field: str, told: str) -> None:
    answer = await client.get(EVENTS, params=parameters)
    assert answer.status_code == 400
    assert answer.json()["message"] == f"Error parsing '{field}' query parameter"
    assert told in answer.json()["error"]


async def test_a_wrong_last_event_id_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.get(EVENTS, headers={"Last-Event-ID": "7/8"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Error parsing 'Last-Event-ID' header")


async def test_a_client_that_was_away_too_long_is_told_where_to_go_on(client: httpx.AsyncClient, store: Store) -> None:
    await ended_task(store)
    page = (await client.get(EVENTS)).json()
    gone = int(page["events"][1]["id"].split(".")[0])
    await store.admin.execute("UPDATE syncline.retention SET gone_upto = $1", gone)
    for headers in ({}, STREAM):
        answer = await client.get(EVENTS, params={"after": page["events"][0]["id"]}, headers=headers)
        assert answer.status_code == 410
        assert answer.json()["message"] == "Events are gone"
        assert answer.json()["first"] == str(gone)
    rest = (await client.get(EVENTS, params={"after": str(gone)})).json()["events"]
    assert rest == page["events"][2:]
    assert (await client.get(EVENTS)).json()["events"] == rest


def test_every_type_has_a_name_of_its_own() -> None:
    names = [public_type(type_) for type_ in TYPES]
    assert len(set(names)) == len(names)
    assert {"attempt.handed_back", "run.again_requested", "task.failed"} <= set(names)


async def messages(answer: httpx.Response) -> AsyncGenerator[dict[str, str]]:
    """The messages of a stream."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            yield fields
            fields = {}


async def take(
    client: httpx.AsyncClient, after: dict[str, str], *, most: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The next events, `most` of them or those that are there, by a client that is then cut off as by a crash."""
    events = []
    async with client.stream("GET", EVENTS, headers=after) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async with aclosing(messages(answer)) as received:
            async for message in received:
                if "id" in message:
                    after = {"Last-Event-ID": message["id"]}
                if "data" in message:
                    events.append(json.loads(message["data"]))
                    assert message["id"] == events[-1]["id"]
                    assert events[-1]["type"] == f"dev.syncline.{message['event']}.v1"
                if len(events) == most or (events and "data" not in message):
                    break
    return events, after


async def test_a_stream_goes_on_where_its_client_left(server: ServerProcess, store: Store) -> None:
    await ended_task(store, "before")
    headers = {"X-Admin-Token": TOKEN, **STREAM}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
        seen, last = await take(client, {}, most=2)
        await ended_task(store, "while nobody listens")
        for most in (1, 2, 10):
            events, last = await take(client, last, most=most)
            seen += events
        later = asyncio.create_task(ended_task(store, "while somebody listens"))
        while len(seen) < 9:
            events, last = await take(client, last, most=9)
            seen += events
        await later
        every = (await client.get(EVENTS, headers={"Accept": "application/json"})).json()["events"]
    assert seen == every


def as_text(event: FeedEvent, _installation: str) -> bytes:
    return str(event.place).encode()


class CountingFeed(Feed):
    reads = 0

    async def read(self, after: Place, *, limit: int, selection: Selection = EVERYTHING) -> FeedPage:
        self.reads += 1
        return await super().read(after, limit=limit, selection=selection)


async def test_many_followers_cost_the_store_what_one_does(api: OpenedApi, store: Store) -> None:
    feed, stop = CountingFeed(api.pool), asyncio.Event()
    live = LiveFeed(feed, to_message=as_text, stop=stop)
    page = await feed.read(BEGINNING, limit=10)
    followers = 50
    seen: list[list[bytes]] = [[] for _ in range(followers)]

    async def follow(number: int) -> None:
        async for messages, _ in live.follow(page, EVERYTHING, quiet_seconds=60):
            seen[number] += messages

    async with asyncio.TaskGroup() as group:
        for number in range(followers):
            group.create_task(follow(number))
        await ended_task(store, "first")

        async def has_come() -> bool:
            return all(len(places) == 3 for places in seen)

        await until(has_come)
        feed.reads, began = 0, asyncio.get_running_loop().time()
        await ended_task(store, "second")

        async def has_come_too() -> bool:
            return all(len(places) == 6 for places in seen)

        await until(has_come_too)
        # The one reader looks twice a second, and once more after it has found something.
        looks = 2 * (asyncio.get_running_loop().time() - began)
        assert feed.reads <= 3 + 2 * looks
        stop.set()
    assert all(places == seen[0] for places in seen)


async def test_a_follower_that_falls_behind_catches_up_by_itself(api: OpenedApi, store: Store) -> None:
    stop = asyncio.Event()
    live = LiveFeed(Feed(api.pool), to_message=as_text, stop=stop, most_recent=2)
    places: list[bytes] = []
    page = await Feed(api.pool).read(BEGINNING, limit=10)
    async with aclosing(live.follow(page, EVERYTHING, quiet_seconds=60)) as followed:
        await anext(followed)
        for number in range(4):
            await ended_task(store, f"c{number}")
        async for messages, _ in followed:
            places += messages
            if len(places) >= 12:
                break
    rows = await store.pool.fetch("SELECT xid, task, version, at FROM syncline.events ORDER BY xid, task, version")
    assert places == [str(Place.of(*row)).encode() for row in rows]


async def test_who_has_seen_lost_events_is_told_and_the_others_go_on(api: OpenedApi, store: Store) -> None:
    """As after a failover to a server that lacks the last commits."""
    stop, feed = asyncio.Event(), Feed(api.pool)
    live = LiveFeed(feed, to_message=lambda event, _: (event.collection or "").encode(), stop=stop)
    await store.schedule("kept")
    await store.readable()
    page = await feed.read(BEGINNING, limit=10)
    other = FeedPage([], page.reached, more=False)
    async with (
        aclosing(live.follow(page, EVERYTHING, quiet_seconds=60)) as seeing,
        aclosing(live.follow(other, Selection(collection="new"), quiet_seconds=60)) as waiting,
        asyncio.timeout(240),
    ):
        assert (await anext(seeing)).messages == [b"kept"]
        assert (await anext(waiting)).messages == []
        lost = await store.schedule("lost")
        assert (await anext(seeing)).messages == [b"lost"]
        async with store.admin.transaction():
            await store.admin.execute("SET LOCAL session_replication_role = replica")
            await store.admin.execute("DELETE FROM syncline.events WHERE task = $1", lost)
        await store.schedule("new")
        with pytest.raises(EventsGoneError, match="lost its last events"):
            await anext(seeing)
        collections: list[bytes] = []
        while not collections:
            collections += (await anext(waiting)).messages
        assert collections == [b"new"]


async def test_a_follower_ahead_of_the_reader_is_not_served_from_memory(api: OpenedApi, store: Store) -> None:
    """What it has seen may be lost before the reader has come that far."""
    stop, feed = asyncio.Event(), Feed(api.pool)
    live = LiveFeed(feed, to_message=as_text, stop=stop)
    await store.schedule("kept")
    await store.readable()
    page = await feed.read(BEGINNING, limit=10)
    async with aclosing(live.follow(page, EVERYTHING, quiet_seconds=60)) as followed, asyncio.timeout(240):
        await anext(followed)
        lost = await store.schedule("lost")
        await store.readable()
        ahead = await feed.read(page.reached, limit=10)
        async with store.admin.transaction():
            await store.admin.execute("SET LOCAL session_replication_role = replica")
            await store.admin.execute("DELETE FROM syncline.events WHERE task = $1", lost)
        await store.schedule("new")
        async with aclosing(live.follow(ahead, EVERYTHING, quiet_seconds=60)) as leading:
            await anext(leading)
            with pytest.raises(EventsGoneError):
                await anext(leading)


async def test_the_reader_rests_while_the_feed_is_not_complete(api: OpenedApi, store: Store) -> None:
    await ended_task(store)
    feed, stop = CountingFeed(api.pool), asyncio.Event()
    live = LiveFeed(feed, to_message=as_text, stop=stop)
    await store.admin.execute("UPDATE syncline.retention SET gone_upto = (SELECT max(xid) FROM syncline.events)")
    page = await feed.read(await feed.get_start(), limit=10)
    async with aclosing(live.follow(page, EVERYTHING, quiet_seconds=1)) as followed:
        for _ in range(3):
            assert (await anext(followed)).messages == []
        assert feed.reads < 20
        await ended_task(store, "later")
        assert len((await anext(followed)).messages) > 0


async def test_nobody_reads_when_the_last_follower_has_left(api: OpenedApi, store: Store) -> None:
    feed, stop = CountingFeed(api.pool), asyncio.Event()
    live = LiveFeed(feed, to_message=as_text, stop=stop)
    page = await feed.read(BEGINNING, limit=10)
    for _ in range(2):
        async with aclosing(live.follow(page, EVERYTHING, quiet_seconds=0.1)) as followed:
            await anext(followed)
            await anext(followed)
        reads = feed.reads
        await asyncio.sleep(1.2)  # as long as two looks
        assert feed.reads == reads
    assert reads > 0
    assert store is not None


async def test_a_revoked_token_ends_its_stream(server: ServerProcess, store: Store) -> None:
    admin = TokenAdmin(store.admin)
    token = await admin.create("a dashboard", TokenScope.READ, None)
    headers = {"X-Admin-Token": token.text, **STREAM}
    async with (
        httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client,
        client.stream("GET", EVENTS) as answer,
        aclosing(messages(answer)) as received,
    ):
        assert await anext(received) == {"retry": "2000"}
        await admin.revoke(token.id)
        # Known for a second.
        for number in range(20):
            await store.schedule(f"c{number}")
            if await anext(received, None) is None:
                return
            await asyncio.sleep(0.2)
    raise AssertionError("the stream goes on")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream, application/json;q=0.5", "text/event-stream"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream;q=0", "application/json"),
        ("*/*", "application/json"),
    ],
)
async def test_the_form_is_that_which_was_asked_for_first(client: httpx.AsyncClient, accept: str, kind: str) -> None:
    answer = await client.head(EVENTS, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["vary"] == "Accept"


async def test_now_has_only_what_comes(client: httpx.AsyncClient, store: Store) -> None:
    await ended_task(store, "before")
    page = (await client.get(EVENTS, params={"after": "now"})).json()
    assert (page["events"], page["more"]) == ([], False)
    await ended_task(store, "after")
    events = (await client.get(EVENTS, params={"after": page["next"]})).json()["events"]
    assert {event["data"]["collection"] for event in events} == {"after"}


async def test_there_is_a_limit_of_streams(
    client: httpx.AsyncClient, api: OpenedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api is not None
    monkeypatch.setattr("app.api.http.followers.MOST_FOLLOWERS", 0)
    answer = await client.get(EVENTS, headers=STREAM)
    assert (answer.status_code, answer.json()["message"]) == (503, "Too many streams")
    assert answer.headers["retry-after"]
    assert (await client.get(EVENTS)).is_success
