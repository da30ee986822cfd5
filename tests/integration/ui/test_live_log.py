"""The log of a running task as a stream: every line once, until the task ends, and at little cost to the store."""

from __future__ import annotations

import asyncio
import html
import socket
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from app.api.application import create_app
from app.api.http.live_logs import LiveLogs
from app.bootstrap.api import server_config
from app.domain.api_token import TokenScope
from app.store.log_search import BEFORE_ALL_LINES
from app.store.reads import Reader
from app.store.tokens import TokenAdmin
from app.ui.routes import make_pages
from app.ui.shared import Shared
from tests.harness import until
from tests.integration.api.serving import TOKEN, opened_api
from tests.integration.api.test_events import messages
from tests.integration.ui.visitors import log_in, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection
    from uuid import UUID

    import asyncpg

    from app.api.http.live_logs import LogNews
    from app.domain.claim import Claim
    from app.store.database import Pool
    from app.store.reads import LogFilter
    from tests.harness import Store

LINES = """
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
SELECT $1, 1, n, syncline.clock(), CASE WHEN n % 10 = 0 THEN 'warn' ELSE 'info' END, 'line ' || n
FROM generate_series($2::integer, $3::integer) AS n
"""


@asynccontextmanager
async def watching(database_url: str, token: str = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has logged in at the pages of a server, which ends as a drain does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = "http://{}:{}".format(*listening.getsockname())
        async with opened_api(database_url) as api:
            services = api.app.state.services
            server = uvicorn.Server(server_config(create_app(services, make_pages(services, ""))))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
                await log_in(client, token)
                yield client
            api.surroundings.stop.set()
            server.should_exit = True
            await serving


async def write(store: Store, claim: Claim, first: int, last: int) -> None:
    await store.admin.execute(LINES, claim.task, first, last)


async def take(
    client: httpx.AsyncClient, path: str, last: str | None = None, *, upto: str
) -> tuple[list[dict[str, str]], str | None]:
    """The messages up to the line `upto`, or up to the end; then the client is cut off as by a crash."""
    taken: list[dict[str, str]] = []
    headers = {"Last-Event-ID": last} if last else {}
    async with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        async with aclosing(messages(answer)) as received:
            async for message in received:
                last = message.get("id", last)
                if message.get("event") not in {None, "following"}:
                    taken.append(message)
                if last == upto or message.get("event") == "ended":
                    break
    return taken, last


def places(taken: list[dict[str, str]]) -> list[str]:
    return [each["id"] for each in taken if each["event"] == "line"]


async def test_no_line_is_lost_or_comes_twice_however_often_the_client_comes_again(
    database_url: str, store: Store
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    path = f"/tasks/{claim.task_id}/log.live"
    async with watching(database_url) as client:
        await write(store, claim, 1, 700)
        taken, last = await take(client, f"{path}?after=1.2", upto="1.650")
        await write(store, claim, 701, 705)
        more, last = await take(client, f"{path}?after=1.2", last, upto="1.702")
        taken += more
        later = asyncio.create_task(take(client, f"{path}?after=1.2", last, upto="the end"))
        for line in range(706, 720):
            await write(store, claim, line, line)
        assert await store.end(worker, claim, line=721, before=["last words"])
        more, last = await later
        taken += more
        assert places(taken) == [f"1.{line}" for line in range(3, 722)]
        assert taken[-1]["event"] == "ended"
        assert last == "1.721"
        assert "last words" in taken[-3]["data"]
        assert "FINISHED SUCCESSFULLY" in taken[-2]["data"]
        # Whoever comes again after the end is told so at once.
        assert [each["event"] for each in (await take(client, path, last, upto="the end"))[0]] == ["ended"]


async def test_a_stream_of_one_level_has_its_lines_alone_and_goes_on_after_all(database_url: str, store: Store) -> None:
    claim = await store.claimed(await store.worker())
    await write(store, claim, 1, 25)
    async with watching(database_url) as client:
        taken, last = await take(client, f"/tasks/{claim.task_id}/log.live?level=warn", upto="1.25")
        assert (places(taken), last) == (["1.10", "1.20"], "1.25")


async def test_hostile_lines_are_text_on_one_line(database_url: str, store: Store) -> None:
    claim = await store.claimed(await store.worker())
    text = "<script>alert(1)</script>\x1b[31m\u202e\n\nid: 9.9\r\nevent: ended " + "x" * 1_000_000
    await store.admin.execute("INSERT INTO syncline.log_events VALUES ($1, 1, 1, now(), 'info', $2)", claim.task, text)
    async with watching(database_url) as client:
        taken, _ = await take(client, f"/tasks/{claim.task_id}/log.live?after=1.0", upto="1.1")
        [message] = taken
        assert message["id"] == "1.1"
        page = (await client.get(f"/tasks/{claim.task_id}")).text
    assert html.escape("<script>alert(1)</script>") in message["data"]
    assert r"\x1b[31m\u202e\n\nid: 9.9\r\nevent: ended xxx" in message["data"]
    # It is drawn as the page draws it.
    assert message["data"] in page


async def test_a_page_is_followed_from_its_last_line_while_its_task_is_active(
    visitor: httpx.AsyncClient, store: Store
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, "quick", source="load")
    await write(store, claim, 1, 12)
    path = f"/tasks/{claim.task_id}"
    followed = f'data-follow="{path}/log.live?level=warn" data-after="1.12"'
    assert followed in (await visitor.get(f"{path}?level=warn")).text
    for query in ("?find=line", "?before=1.5"):
        assert "data-follow" not in (await visitor.get(f"{path}{query}")).text
    await store.end(worker, claim)
    assert "data-follow" not in (await visitor.get(path)).text


async def test_a_stream_that_cannot_begin_says_why(
    visitor: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await store.claimed(await store.worker())
    path = f"/tasks/{claim.task_id}/log.live"
    assert (await visitor.get("/tasks/nobody/log.live")).status_code == 404
    assert (await visitor.get(f"{path}?after=x")).status_code == 400
    monkeypatch.setattr("app.api.http.followers.MOST_FOLLOWERS", 0)
    answer = await visitor.get(path)
    assert answer.status_code == 503
    assert "too many pages are open" in answer.text
    visitor.cookies.clear()
    assert (await visitor.get(path)).headers["location"].startswith("/login")


async def test_a_revoked_token_ends_its_stream(database_url: str, store: Store) -> None:
    admin = TokenAdmin(store.admin)
    token = await admin.create("somebody", TokenScope.READ, None)
    claim = await store.claimed(await store.worker())
    async with (
        watching(database_url, token.text) as client,
        client.stream("GET", f"/tasks/{claim.task_id}/log.live") as answer,
        aclosing(messages(answer)) as received,
    ):
        assert (await anext(received))["retry"]
        assert (await anext(received))["event"] == "following"
        assert (await anext(received))["event"] == "line"
        await admin.revoke(token.id)
        line = 0

        async def has_ended() -> bool:
            nonlocal line
            line += 1
            await write(store, claim, line, line)
            return await anext(received, None) is None

        await until(has_ended)


class WatchedReader(Reader):
    """Notes what it is asked, and keeps back what it has read of a log until it `may_end`."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.read = 0
        self.have_read = 0
        self.looked_at: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def page_log(self, task: UUID, selection: LogFilter) -> AsyncIterator[list[asyncpg.Record]]:
        self.read += 1
        may_end = self.may_end
        pages = [page async for page in super().page_log(task, selection)]
        self.have_read += 1
        await may_end.wait()
        for page in pages:
            yield page

    async def has_read(self, times: int) -> bool:
        return self.have_read == times

    async def find_grown_logs(self, places: Collection[Any]) -> dict[Any, bool]:
        self.looked_at.append(len(places))
        return await super().find_grown_logs(places)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for grown logs but the test."""
    monkeypatch.setattr("app.api.http.live_logs._LOOK_SECONDS", 3600.0)


async def have_come(live: LiveLogs, number: int) -> None:
    """Wait until so many have all lines that there are."""

    async def are_waiting() -> bool:
        return sum(not each.called.is_set() for each in live._waiting) == number

    await until(are_waiting)


async def lines_of(followed: AsyncGenerator[LogNews]) -> tuple[list[int], float | None]:
    """All lines, and by when the task had ended."""
    lines: list[int] = []
    ended_by = None
    async for news in followed:
        lines += [line["line"] for line in news.lines]
        ended_by = news.ended_by
    return lines, ended_by


@pytest.mark.usefixtures("by_hand")
async def test_many_followers_cost_the_store_what_one_does(store: Store) -> None:
    worker = await store.worker()
    claims = [await store.claimed(worker, name) for name in ("first", "second")]
    reader = WatchedReader(store.pool)
    live = LiveLogs(reader, stop=asyncio.Event())
    followed = [live.follow(claims[number % 2].task, BEFORE_ALL_LINES, quiet_seconds=3600) for number in range(50)]
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(lines_of(each)) for each in followed]
        await have_come(live, 50)
        reader.read = 0
        for line in range(1, 6):
            await write(store, claims[0], line, line)
            await live._look()
            await have_come(live, 50)
        # Each line was read once, and the log of the other task not at all.
        assert reader.read == 5
        assert reader.looked_at == [2] * 5
        for claim in claims:
            await store.end(worker, claim)
        await live._look()
    seen = [each.result() for each in followers]
    assert all(lines == [*range(6), 1000] for lines, _ in seen[::2])
    assert all(lines == [0, 1000] for lines, _ in seen[1::2])
    [ended_by] = {ended_by for _, ended_by in seen}
    assert ended_by is not None


@pytest.mark.usefixtures("by_hand")
async def test_who_waited_for_the_end_does_not_share_what_was_read_before_it(store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    reader = WatchedReader(store.pool)
    live = LiveLogs(reader, stop=asyncio.Event())
    async with asyncio.TaskGroup() as group:
        first, second = (live.follow(claim.task, (1, 0), quiet_seconds=3600) for _ in range(2))
        waiting = group.create_task(lines_of(first))
        await have_come(live, 1)
        reader.may_end = may_end = asyncio.Event()
        reading = group.create_task(lines_of(second))
        await until(partial(reader.has_read, 2))
        assert await store.end(worker, claim, line=3, before=["last words"])
        reader.may_end = asyncio.Event()
        reader.may_end.set()
        await live._look()
        await until(partial(reader.has_read, 3))
        assert (await waiting)[0] == [2, 3]
        may_end.set()
        await have_come(live, 1)
        await live._look()
    assert reading.result()[0] == [2, 3]


@pytest.mark.usefixtures("by_hand")
async def test_who_leaves_takes_no_reading_from_others(store: Store) -> None:
    claim = await store.claimed(await store.worker())
    reader = WatchedReader(store.pool)
    stop = asyncio.Event()
    live = LiveLogs(reader, stop=stop)
    reader.may_end.clear()
    async with asyncio.TaskGroup() as group:
        first, *others = (live.follow(claim.task, (1, 0), quiet_seconds=3600) for _ in range(3))
        leaving = group.create_task(lines_of(first))
        staying = group.create_task(lines_of(others[0]))
        await until(partial(reader.has_read, 1))
        leaving.cancel()
        await asyncio.wait([leaving])
        coming = group.create_task(lines_of(others[1]))
        reader.may_end.set()
        await have_come(live, 2)
        assert reader.read == 1
        stop.set()
    assert staying.result() == coming.result() == ([], None)


@pytest.mark.usefixtures("by_hand")
async def test_the_end_of_a_task_makes_the_pages_old_once(
    database_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = []
    forget = Shared.forget

    def counted(shared: Shared) -> None:
        forgotten.append(shared)
        forget(shared)

    monkeypatch.setattr(Shared, "forget", counted)
    worker = await store.worker()
    claim = await store.claimed(worker)
    async with opened_api(database_url) as api, visiting(api) as client, asyncio.TaskGroup() as group:
        await log_in(client)
        live = api.app.state.services.live_logs
        viewers = [group.create_task(client.get(f"/tasks/{claim.task_id}/log.live")) for _ in range(3)]
        await have_come(live, 3)
        await store.end(worker, claim)
        await live._look()
        for viewer in viewers:
            assert (await viewer).text.count("event: ended") == 1
    assert len(forgotten) == 1


async def test_a_quiet_log_says_so_and_all_streams_end_with_the_process(store: Store) -> None:
    claim = await store.claimed(await store.worker())
    stop = asyncio.Event()
    live = LiveLogs(Reader(store.pool), stop=stop)
    async with aclosing(live.follow(claim.task, (1, 0), quiet_seconds=0.1)) as followed, asyncio.timeout(60):
        assert await anext(followed) == ([], None)
        assert await anext(followed) == ([], None)
        stop.set()
        assert [news async for news in followed] == []
