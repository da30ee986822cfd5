"""A database that is busy or silent, behind `syncline api`: every answer comes in time, and all is well after."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from app.domain.api_token import make_token
from tests.acceptance.cluster import TOKEN, Api, Cluster
from tests.acceptance.wire import AUTHORITY, wire
from tests.harness import until
from tests.servers.proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.servers.postgres import TcpServer

CONFIG = f"""
server: {{admin_token: {TOKEN}}}
sources:
  load: {{type: synthetic, destinations: [nowhere], collections: [quick]}}
destinations:
  nowhere: {{type: none}}
"""
# The real command with shorter bounds, so that the tests need not wait for them.
QUEUE_SECONDS, STATEMENT_SECONDS = 1.0, 2.0
BOUNDS = {"app.bootstrap.api._QUEUE_SECONDS": QUEUE_SECONDS, "app.bootstrap.api._STATEMENT_SECONDS": STATEMENT_SECONDS}
CONNECTIONS = 15
# What an answer may take on a busy machine. A bound that does not hold is no matter of seconds: the locks stay.
ANSWER_SECONDS = 30.0
BUSY = "all database connections are busy; try again"
BEHIND = "earlier requests are still waiting; try again"
SILENT = "PostgreSQL does not answer; try again"
TASK = "/api/v1/tasks/load_quick_01980000-0000-7000-8000-000000000000"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'syncline api' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    with Cluster(tmp_path, CONFIG, database_url) as cluster:
        yield cluster


@asynccontextmanager
async def locked(database_url: str, table: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A transaction keeps everybody else from the table; yields how many of the API's statements wait."""
    owner, observer = [await asyncpg.connect(database_url) for _ in range(2)]
    try:
        async with owner.transaction():
            await owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield lambda: observer.fetchval(WAITING)
    finally:
        await owner.close()
        await observer.close()


@asynccontextmanager
async def client_of(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    headers = {"X-Admin-Token": TOKEN}
    async with httpx.AsyncClient(
        base_url=api.address, headers=headers, limits=limits, timeout=ANSWER_SECONDS, trust_env=False
    ) as client:
        yield client


async def crowd(client: httpx.AsyncClient, size: int = 60) -> list[httpx.Response]:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(client.get(TASK)) for _ in range(size)]
    return [await one for one in asked]


async def is_well(client: httpx.AsyncClient) -> bool:
    """Whether all of a crowd are answered: on a busy machine the bounds may be too short for the first one."""
    return all(answer.status_code == httpx.codes.NOT_FOUND for answer in await crowd(client))


def refusals(answers: list[httpx.Response]) -> Counter[str]:
    """The reasons of answers that must all be 503 and tell when to come again."""
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    assert {answer.json()["message"] for answer in answers} == {"Database is not ready"}
    return Counter(answer.json()["error"] for answer in answers)


async def test_a_pool_that_is_taken_is_a_503_and_the_probes_go_on(cluster: Cluster, database_url: str) -> None:
    api = await asyncio.to_thread(cluster.api, bounds=BOUNDS)
    async with client_of(api) as client:
        async with locked(database_url, "syncline.tasks") as waiting:
            answers = asyncio.create_task(crowd(client))

            async def all_are_taken() -> bool:
                return await waiting() == CONNECTIONS

            await until(all_are_taken)
            for probe in ("/livez", "/readyz"):
                assert (await client.get(probe)).status_code == 200
            post = await client.post("/api/v1/tasks", params={"source": "load", "collection": "quick"})
            assert refusals([post])[BUSY] == 1
            told = refusals(await answers)
            assert told[SILENT] >= CONNECTIONS
            assert told[BUSY] >= len(answers.result()) - 2 * CONNECTIONS
        await until(partial(is_well, client))


async def test_a_post_behind_others_that_wait_for_the_database_is_a_503_in_time(
    cluster: Cluster, database_url: str
) -> None:
    api = await asyncio.to_thread(cluster.api, bounds=BOUNDS)

    async def one_waits() -> bool:
        return await waiting() == 1

    async with client_of(api) as client, locked(database_url, "syncline.collections") as waiting:
        ask = partial(client.post, "/api/v1/tasks", params={"source": "load", "collection": "quick"})
        first = asyncio.create_task(ask())
        await until(one_waits)
        # Alone it would wait for a statement's bound after the first one's.
        behind = await ask()
        assert refusals([behind, await first]) == {BEHIND: 1, SILENT: 1}


async def test_readers_that_left_leave_their_places(cluster: Cluster, database_url: str) -> None:
    api = await asyncio.to_thread(
        cluster.api, bounds={"app.bootstrap.api._QUEUE_SECONDS": 300, "app.bootstrap.api._STATEMENT_SECONDS": 300}
    )
    async with locked(database_url, "syncline.tasks") as waiting:

        async def come_and_go() -> None:
            async with wire(api.address) as client:
                await client.send(f"GET {TASK} HTTP/1.1\r\n".encode(), AUTHORITY, b"\r\n")
                await leaving.wait()

        async def are_waiting(number: int) -> bool:
            return await waiting() == number

        async def all_have_left() -> bool:
            return api.process.text.count('"status": 499') == 60

        leaving = asyncio.Event()
        clients = [asyncio.create_task(come_and_go()) for _ in range(60)]
        await until(lambda: are_waiting(CONNECTIONS))
        leaving.set()
        await asyncio.gather(*clients)
        await until(lambda: are_waiting(0))
        async with client_of(api) as client:
            assert (await client.get("/api/v1/sources")).status_code == 200
        await until(all_have_left)
    assert "request.failed" not in api.process.text
    assert "Exception in ASGI" not in api.process.text


async def test_a_network_that_falls_silent_is_a_503_in_time_and_nothing_stays_behind(
    cluster: Cluster, database_url: str, tcp_postgres: TcpServer
) -> None:
    async with proxied(database_url, tcp_postgres) as (url, proxy):
        cluster.environment["DATABASE_URL"] = url
        api = await asyncio.to_thread(cluster.api, bounds=BOUNDS)
        async with client_of(api) as client:
            await until(partial(is_well, client))
            proxy.freeze()
            refusals(await crowd(client))
            assert (await client.get("/readyz")).json()["database"] == "unreachable"
            assert (await client.get("/livez")).status_code == 200
            token = {"X-Admin-Token": make_token().text}
            refusals([await client.get("/api/v1/sources", headers=token)])
            proxy.mend()
            await until(partial(is_well, client))
            assert (await client.get("/readyz")).status_code == 200


async def test_a_table_of_tokens_that_is_locked_stops_only_those_who_need_it(
    cluster: Cluster, database_url: str
) -> None:
    api = await asyncio.to_thread(cluster.api, bounds=BOUNDS)
    async with client_of(api) as client, locked(database_url, "syncline.api_tokens"):
        forged = [client.get("/api/v1/sources", headers={"X-Admin-Token": make_token().text}) for _ in range(100)]
        answers = asyncio.gather(*forged)
        assert (await client.get("/api/v1/sources")).status_code == 200
        assert refusals(await answers) == {SILENT: 100}
