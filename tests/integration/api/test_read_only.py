"""A database that takes no writes for a while: away for those who write, and back without a restart."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
import structlog
from psycopg import sql

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.bootstrap.migrations import migrate
from app.domain.errors import DatabaseUnreachableError
from tests.harness import opened_store, running_worker, synthetic, until, write_config
from tests.integration.api.serving import TOKEN, OpenedApi, opened_api
from tests.servers.durable import DurableServer
from tests.servers.postgres import database_name
from tests.servers.proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = {"source": "load", "collection": "quick"}
READ_ONLY = "PostgreSQL is read-only: a standby, or default_transaction_read_only is on"


def make_read_only(url: str, value: str, *, cut: bool = True) -> None:
    """As providers do when a disk is nearly full: it is for new connections, and `cut` ends all others."""
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as admin:
        database = sql.Identifier(database_name(url))
        admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(database, value))
        if cut:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def client_of(api: OpenedApi) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=api.app)
    return httpx.AsyncClient(transport=transport, base_url="http://syncline", headers={"X-Admin-Token": TOKEN})


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/tasks", params=QUICK)


async def is_served(client: httpx.AsyncClient) -> bool:
    return (await ask(client)).status_code in {200, 201} and (await client.get("/readyz")).status_code == 200


async def refused_as_read_only(client: httpx.AsyncClient) -> bool:
    """Whether writers are told to come again and balancers to send nothing; False while cut connections are found."""
    answer, ready = await ask(client), await client.get("/readyz")
    if answer.json().get("error") != f"{READ_ONLY}; try again":
        return False
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (ready.status_code, ready.json()["database"], ready.json()["error"]) == (503, "read-only", READ_ONLY)
    return True


@pytest.fixture
async def client(api: OpenedApi) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(api) as client:
        yield client


async def test_a_read_only_database_is_away_and_comes_back_by_itself(
    client: httpx.AsyncClient, database_url: str
) -> None:
    assert await is_served(client)
    for _ in range(2):
        make_read_only(database_url, "on")
        await until(lambda: refused_as_read_only(client))
        assert (await client.get("/api/v1/sources")).status_code == 200
        # Not cut: the connections that were opened meanwhile must go by themselves.
        make_read_only(database_url, "off", cut=False)
        await until(lambda: is_served(client))


async def test_clearing_and_canceling_are_refused_as_well(client: httpx.AsyncClient, database_url: str) -> None:
    task = (await ask(client)).json()["task_id"]
    make_read_only(database_url, "on")
    await until(lambda: refused_as_read_only(client))
    for path, body in (("/api/v1/sources/clear_cache", QUICK), (f"/api/v1/tasks/{task}/cancel", None)):
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1"), path


async def test_one_refused_write_renews_every_connection_of_the_pool(api: OpenedApi, database_url: str) -> None:
    make_read_only(database_url, "on")
    async with client_of(api) as client:
        await until(lambda: refused_as_read_only(client))
        both = asyncio.Barrier(2)

        async def backend() -> int:
            async with api.pool.acquire() as connection:
                await both.wait()
                return int(await connection.fetchval("SELECT pg_backend_pid()"))

        before = set(await asyncio.gather(backend(), backend()))

        async def are_others() -> bool:
            await ask(client)
            return before.isdisjoint(await asyncio.gather(backend(), backend()))

        await until(are_others)


async def test_a_worker_works_again_when_the_database_takes_writes(database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", {"s": synthetic(c={"records": 1})})
    # Claims come every two seconds, and must meet the refusal before the lease is lost.
    short = timedelta(seconds=6)
    async with opened_store(database_url) as store, running_worker(database_url, config, lease=short) as worker:
        await worker.registered()
        await store.ended(await store.schedule())
        with structlog.testing.capture_logs() as logs:
            make_read_only(database_url, "on")

            async def has_lost_its_lease_and_finds_no_other() -> bool:
                refused = {line.get("loop") for line in logs if line.get("error") == READ_ONLY}
                return {"claim", "worker"} <= refused

            await until(has_lost_its_lease_and_finds_no_other)
        make_read_only(database_url, "off", cut=False)
        async with opened_store(database_url) as again:
            assert await again.ended(await again.schedule()) == "SUCCESS"


async def test_a_standby_is_not_ready_until_it_is_promoted(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as primary:
        migrate(primary.url)
    (tmp_path / "pg" / "data" / "standby.signal").touch()
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as standby:
        async with opened_api(standby.url) as api, client_of(api) as client:
            assert await refused_as_read_only(client)
            with psycopg.connect(standby.url, autocommit=True) as admin:
                admin.execute("SELECT pg_promote()")
            await until(lambda: is_served(client))


async def test_roles_that_flip_behind_one_address_need_no_restart(tmp_path: Path) -> None:
    """The address leads to the demoted primary for a while: connections that were opened then must go by themselves."""
    with closing(DurableServer(tmp_path / "one")) as former:
        migrate(former.url)
        with closing(await former.make_standby(tmp_path / "two")) as standby:
            await until(partial(is_followed, former))
            config = write_config(tmp_path / "c.yaml", {"load": synthetic(quick={"records": 1})})
            async with (
                proxied(former.url, former.tcp) as (url, proxy),
                opened_api(url) as api,
                client_of(api) as client,
                running_worker(url, config, lease=timedelta(seconds=3)) as worker,
            ):
                await worker.registered()
                await until(partial(has_run, client))
                former.stop()
                standby.promote()
                former.follow(standby)
                former.start()
                for _ in range(3):
                    await until(partial(refused_as_read_only, client))
                proxy.lead_to(standby.tcp)
                await until(partial(has_run, client))
                assert (await client.get("/readyz")).status_code == 200


async def is_followed(server: DurableServer) -> bool:
    with server.connect() as admin:
        return admin.execute("SELECT FROM pg_stat_replication WHERE state = 'streaming'").fetchone() is not None


async def has_run(client: httpx.AsyncClient) -> bool:
    """Whether a new task could be made, and a worker has carried it out."""
    answer = await ask(client)
    if answer.status_code != 201:
        return False
    path = f"/api/v1/tasks/{answer.json()['task_id']}"

    async def succeeded() -> bool:
        return bool((await client.get(path)).json()["status"] == "SUCCESS")

    return await until(succeeded)


def test_migrating_a_read_only_database_is_told_in_one_line(empty_database_url: str) -> None:
    make_read_only(empty_database_url, "on")
    with pytest.raises(DatabaseUnreachableError, match=READ_ONLY):
        migrate(empty_database_url)
