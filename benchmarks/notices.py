"""What a notification in each transaction would cost: endings of single tasks by 16 connections, with one and without.

A commit that notifies holds a lock on the whole server until it is on disk. The product therefore sends notifications
by themselves, and at most one in a few milliseconds; nothing that 16 workers do at the same time carries one.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.domain.claim import Ending, NewTask
from app.domain.events import TASK_SUCCEEDED
from app.domain.task import Status
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from app.store.leases import Leases
from app.store.notify import CHANNEL
from app.store.queries import load_statements
from app.store.queue import TaskQueue, ending_columns
from benchmarks.report import OURS, Figure, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import durable_server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from app.domain.claim import Claim
    from app.store.database import Connection, Pool

CONNECTIONS: Final = 16
ENDINGS: Final = Size(full=200, small=20)
ROUNDS: Final = Size(full=9, small=2)
NOTIFYING: Final = "with a notification in each transaction"
_END: Final = load_statements("queue.sql")["end_attempts"]
# As long a way to the server as a notification takes.
_NOTHING: Final = "SELECT length($1)"
_NOTIFY: Final = "SELECT pg_notify($1, '')"


def measure() -> Report:
    sides = [side for side in (OURS, NOTIFYING) if is_wanted(side)]
    runs: dict[str, list[float]] = {side: [] for side in sides}
    with durable_server() as server, server.database(migrated=True) as url:
        asyncio.run(_measure(url, runs))
        return Report(
            name="notices",
            title="Endings by 16 connections, and what notifications would cost",
            settings={"connections": CONNECTIONS, "endings of each": ENDINGS.value, **server.settings},
            figures=[Figure("endings of single tasks", "endings/s", runs)],
            goals=[],
        )


async def _measure(url: str, runs: dict[str, list[float]]) -> None:
    async with open_pool(DatabaseAddress.of(url), name="notices", size=CONNECTIONS) as pool:
        slots = CONNECTIONS * ENDINGS.value
        worker = await Leases(pool).register(host="here", pid=1, release="0", slots=slots, length=timedelta(hours=1))
        await _endings_a_second(pool, worker, _NOTHING)
        for _ in range(ROUNDS.value):
            for side, rates in runs.items():
                rates.append(await _endings_a_second(pool, worker, _NOTIFY if side == NOTIFYING else _NOTHING))
                print(f"{side}: {rates[-1]:,.0f} endings/s", flush=True)


async def _endings_a_second(pool: Pool, worker: UUID, beside: str) -> float:
    claims = await _claimed(TaskQueue(pool), worker)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(_end(pool, worker, claims[number::CONNECTIONS], beside) for number in range(CONNECTIONS)))
    return len(claims) / (asyncio.get_running_loop().time() - began)


async def _claimed(queue: TaskQueue, worker: UUID) -> list[Claim]:
    names = [f"c{number}" for number in range(CONNECTIONS * ENDINGS.value)]
    await asyncio.gather(*(queue.schedule(NewTask("s", name, "synthetic", "api", 300, 1)) for name in names))
    claims: list[Claim] = []
    while len(claims) < len(names):
        claims += await queue.claim(worker, 500)
    return claims


async def _end(pool: Pool, worker: UUID, claims: Sequence[Claim], beside: str) -> None:
    connection: Connection
    async with pool.acquire() as connection:
        for claim in claims:
            ending = Ending(claim=claim, type=TASK_SUCCEEDED, status=Status.SUCCESS, line=1, details={"seconds": 0.0})
            async with connection.transaction():
                await connection.fetch(_END, worker, *ending_columns([ending]))
                await connection.fetchval(beside, CHANNEL)


if __name__ == "__main__":
    main(measure)
