"""Statements past every proxy; a server that goes away meanwhile is no matter."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.system import System
    from tests.servers.durable import DurableServer


async def execute(server: DurableServer, statement: str) -> None:
    def connect_and_execute() -> None:
        with suppress(psycopg.OperationalError), server.connect() as connection:
            connection.execute(statement.encode())

    await asyncio.to_thread(connect_and_execute)


@asynccontextmanager
async def held(system: System, statement: str) -> AsyncIterator[None]:
    """Within, a statement on the store is carried out and its transaction open; it is rolled back afterwards."""
    async with AsyncExitStack() as stack:
        with suppress(psycopg.OperationalError):
            connection = await asyncio.to_thread(system.connect)
            stack.push_async_callback(asyncio.to_thread, connection.close)
            await asyncio.to_thread(connection.execute, f"BEGIN; {statement}".encode())
        yield
