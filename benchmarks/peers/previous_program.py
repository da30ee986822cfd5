"""The previous release's queue by its own calls, as `benchmarks/queue_calls.py` does it with ours; see `command`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import uvloop
from command import Start, main

from app.bootstrap.migrations import migrate
from app.domain.events import TASK_SUCCEEDED
from app.domain.task import Status
from app.store.database import DatabaseAddress, open_pool
from app.store.leases import Leases
from app.store.log import NumberedLine
from app.store.queue import Claim, Ending, NewTask, TaskQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

CLAIMED_AT_ONCE = 250
CALLS_AT_ONCE = 4
COLLECTIONS_A_SOURCE = 1000
PAUSE_SECONDS = 0.01
LEASE = timedelta(hours=1)


class PreviousPeer:
    async def install(self, url: str) -> None:
        migrate(url)

    async def fill(self, url: str, numbers: list[list[int]]) -> None:
        async with open_pool(DatabaseAddress.of(url), name="fill", size=1) as pool:
            queue = TaskQueue(pool)
            for batch in numbers:
                await asyncio.gather(*(queue.schedule(_task(number)) for number in batch))

    async def work(self, url: str, started: Callable[[Start], None]) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with open_pool(DatabaseAddress.of(url), name="queue calls", size=CALLS_AT_ONCE) as pool:
            slots = CLAIMED_AT_ONCE * CALLS_AT_ONCE
            worker = await Leases(pool).register(host="here", pid=os.getpid(), release="0", slots=slots, length=LEASE)
            print("ready", flush=True)
            queue = TaskQueue(pool)
            await asyncio.gather(*(_end_what_comes(queue, worker, started, stop) for _ in range(CALLS_AT_ONCE)))

    async def enqueue(self, url: str, sender: Callable[[Callable[[int], Awaitable[Any]]], Awaitable[None]]) -> None:
        async with open_pool(DatabaseAddress.of(url), name="enqueue", size=1) as pool:
            queue = TaskQueue(pool)
            await sender(lambda number: queue.schedule(_task(number)))


async def _end_what_comes(
    queue: TaskQueue, worker: UUID, started: Callable[[Start], None], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        claims = await queue.claim(worker, CLAIMED_AT_ONCE)
        for claim in claims:
            started((int(claim.collection.rpartition("_")[2]), time.time()))
        if not claims:
            await asyncio.sleep(PAUSE_SECONDS)
        elif refused := await queue.end_attempts(worker, [_success(claim) for claim in claims]):
            raise RuntimeError(f"{len(refused)} of {len(claims)} attempts were not ended")


def _task(number: int) -> NewTask:
    source, collection = f"source_{number // COLLECTIONS_A_SOURCE:03}", f"collection_{number:06}"
    return NewTask(source, collection, "synthetic", "api", 3, 3)


def _success(claim: Claim) -> Ending:
    now, prefix = time.monotonic(), f"[{claim.task_id}] "
    lines = [
        NumberedLine(1, now, "info", f"{prefix}Running task..."),
        NumberedLine(2, now, "info", f"{prefix}FINISHED SUCCESSFULLY in [0.00] seconds (~ 0.00 minutes)"),
    ]
    details = {"records_read": 0, "rows": 0, "seconds": 0.0}
    return Ending(claim=claim, type=TASK_SUCCEEDED, status=Status.SUCCESS, lines=lines, details=details)


if __name__ == "__main__":
    main(PreviousPeer(), uvloop.run)
