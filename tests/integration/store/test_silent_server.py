"""Connections whose server falls silent or goes away while something waits for it: every wait ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import DatabaseUnreachableError
from app.loops import running_alongside
from app.store.address import DatabaseAddress
from app.store.database import UNREACHABLE, open_pool
from app.store.notify import listen
from tests.harness import until
from tests.servers.proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.store.database import Connection, Pool
    from tests.harness import Store
    from tests.servers.postgres import TcpServer
    from tests.servers.proxy import Proxy

SLEEP = "SELECT pg_sleep(600)"
SECONDS = 1.0
# asyncpg keeps this many statements of a connection.
CACHED = 100


@pytest.fixture
async def way(database_url: str, tcp_postgres: TcpServer) -> AsyncIterator[tuple[str, Proxy]]:
    async with proxied(database_url, tcp_postgres) as way:
        yield way


class Sleeper:
    """Waits for the server within a connection of the pool, as a loop does that goes on after every error."""

    def __init__(self, pool: Pool, store: Store, *, transaction: bool) -> None:
        self._pool = pool
        self._store = store
        self._transaction = transaction
        self.connection: Connection | None = None

    async def run(self) -> None:
        while True:
            with suppress(Exception):
                await self.sleep()
            await asyncio.sleep(0.01)

    async def sleep(self) -> None:
        async with self._pool.acquire() as connection:
            self.connection = connection
            if self._transaction:
                async with connection.transaction():
                    await connection.execute(SLEEP)
            else:
                await connection.execute(SLEEP)

    async def sleeps(self) -> None:
        """Wait until the server has the statement."""
        query = "SELECT true FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
        await until(lambda: self._store.admin.fetchval(query, SLEEP))


@pytest.mark.parametrize("transaction", [False, True])
async def test_a_loop_ends_when_it_is_canceled_although_its_connection_is_lost_in_that_moment(
    store: Store, database_url: str, *, transaction: bool
) -> None:
    """It is canceled once, and goes on after every error: an error in the place of the cancellation is for ever."""
    async with open_pool(DatabaseAddress.of(database_url), name="test") as pool:
        sleeper = Sleeper(pool, store, transaction=transaction)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            async with running_alongside(sleeper.run()):
                await sleeper.sleeps()
                assert sleeper.connection is not None
                # After the statement has been canceled, and before the connection is given back.
                loop.call_soon(loop.call_soon, sleeper.connection.terminate)


async def test_a_cancellation_lasts_although_the_rollback_fails(store: Store, way: tuple[str, Proxy]) -> None:
    url, proxy = way
    async with open_pool(DatabaseAddress.of(url), name="test") as pool:
        sleeper = Sleeper(pool, store, transaction=True)
        sleeping = asyncio.create_task(sleeper.sleep())
        await sleeper.sleeps()
        proxy.freeze()
        sleeping.cancel()
        await asyncio.wait([sleeping], timeout=0.1)
        proxy.cut()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        proxy.mend()


async def test_a_timeout_around_a_statement_is_told_as_one_although_the_connection_is_lost(
    store: Store, way: tuple[str, Proxy]
) -> None:
    url, proxy = way
    async with open_pool(DatabaseAddress.of(url), name="test") as pool:
        sleeper = Sleeper(pool, store, transaction=True)
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, proxy.freeze)
        loop.call_later(0.6, proxy.cut)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await sleeper.sleep()
        proxy.mend()


async def test_a_statement_that_is_no_longer_kept_is_closed_within_the_timeout(way: tuple[str, Proxy]) -> None:
    url, proxy = way
    async with open_pool(DatabaseAddress.of(url), name="test", size=1, statement_seconds=SECONDS) as pool:
        for number in range(CACHED):
            await pool.fetchval(f"SELECT {number}")
        # The next one is prepared, and then the oldest one is closed.
        proxy.freeze_at = b"C"
        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                await pool.fetchval("SELECT 'one more'")
        assert not proxy.flows
        proxy.mend()
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_listener_reconnects_if_the_server_falls_silent_after_its_login(
    way: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy = way
    monkeypatch.setattr("app.store.notify._PROBE_SECONDS", SECONDS)
    woken = asyncio.Event()
    # Its first statement.
    proxy.freeze_at = b"Q"
    listening = asyncio.create_task(listen(url, woken.set))

    async def silent() -> bool:
        return not proxy.flows

    await until(silent)
    proxy.abandon()
    proxy.mend()
    async with asyncio.timeout(10):
        await woken.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_pool_is_not_waited_for_if_the_server_falls_silent_after_the_login(
    way: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy = way
    monkeypatch.setattr("app.store.database._CONNECT_SECONDS", SECONDS)
    proxy.freeze_at = b"Q"
    async with asyncio.timeout(10):
        with pytest.raises(DatabaseUnreachableError):
            async with open_pool(DatabaseAddress.of(url), name="test"):
                pass


async def test_a_pool_is_closed_although_its_server_has_fallen_silent(
    way: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy = way
    monkeypatch.setattr("app.store.database._CLOSE_SECONDS", SECONDS)
    async with asyncio.timeout(10):
        async with open_pool(DatabaseAddress.of(url), name="test") as pool:
            sleeping = asyncio.create_task(pool.execute(SLEEP))
            await asyncio.sleep(0)
            proxy.freeze()
    with pytest.raises(UNREACHABLE):
        await sleeping
