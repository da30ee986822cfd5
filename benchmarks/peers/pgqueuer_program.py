"""pgqueuer as its users run it; see `command`."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop
from command import Start, main
from pgqueuer import PgQueuer
from pgqueuer.models import Job  # noqa: TC002 - pgqueuer reads the annotation
from pgqueuer.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BATCH_SIZE = 100
ENTRYPOINT = "noop"


class PgQueuerPeer:
    async def install(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        queries = Queries.from_asyncpg_connection(connection)
        await queries.install()
        await queries.optimize_autovacuum()
        await connection.close()

    async def fill(self, url: str, numbers: list[list[int]]) -> None:
        connection = await asyncpg.connect(url)
        queries = Queries.from_asyncpg_connection(connection)
        for batch in numbers:
            payloads: list[bytes | None] = [str(number).encode() for number in batch]
            await queries.enqueue([ENTRYPOINT] * len(batch), payloads, [0] * len(batch))
        await connection.close()

    async def work(self, url: str, started: Callable[[Start], None]) -> None:
        peer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(url))

        @peer.entrypoint(ENTRYPOINT)
        async def noop(job: Job) -> None:
            started((int(job.payload or b""), time.time()))

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, peer.shutdown.set)
        print("ready", flush=True)
        await peer.run(batch_size=BATCH_SIZE)

    async def enqueue(self, url: str, sender: Callable[[Callable[[int], Awaitable[Any]]], Awaitable[None]]) -> None:
        connection = await asyncpg.connect(url)
        queries = Queries.from_asyncpg_connection(connection)
        await sender(lambda number: queries.enqueue(ENTRYPOINT, str(number).encode()))
        await connection.close()


if __name__ == "__main__":
    main(PgQueuerPeer(), uvloop.run)
