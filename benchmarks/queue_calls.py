"""The queue's own calls, with nothing around them: schedule, claim, end.

They show what a task costs the queue. What a worker and its attempts add is measured separately.

    python -m benchmarks.queue_calls URL     a program that ends every task as soon as it has claimed it, until SIGTERM
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import uvloop

from app.domain.claim import Ending
from app.domain.events import TASK_SUCCEEDED
from app.domain.task import Status
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from app.store.leases import Leases
from app.store.queue import TaskQueue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from app.domain.claim import Claim, NewTask

READY: Final = "ready"
CLAIMED_AT_ONCE: Final = 500
CALLS_AT_ONCE: Final = 2
_PAUSE_SECONDS: Final = 0.01
_LEASE: Final = timedelta(hours=1)
# As long as those that a worker says.
_STARTED_WITH: Final = {"release": "0.0.0", "catalogue": "0123456789abcdef"}
_DETAILS: Final = {"records_read": 0, "rows": 0, "seconds": 0.0}


async def schedule(queue: TaskQueue, new: Sequence[NewTask]) -> None:
    """Ask for these tasks together. Raises RuntimeError unless all of them are new."""
    answers = await asyncio.gather(*map(queue.schedule, new))
    if old := sum(not is_new for _, is_new in answers):
        raise RuntimeError(f"{old} of {len(new)} collections had an active task already")


async def succeed(queue: TaskQueue, worker: UUID, claims: Sequence[Claim]) -> None:
    """End these attempts together, each with the two log lines of an attempt that had nothing to do.

    Raises RuntimeError when one of them no longer belongs to this worker.
    """
    if refused := await queue.end_attempts(worker, [_success(claim) for claim in claims]):
        raise RuntimeError(f"{len(refused)} of {len(claims)} attempts were not ended")


def _success(claim: Claim) -> Ending:
    return Ending(claim=claim, type=TASK_SUCCEEDED, status=Status.SUCCESS, line=1, details=_DETAILS)


async def _work(url: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_pool(DatabaseAddress.of(url), name="queue calls", size=CALLS_AT_ONCE) as pool:
        slots = CLAIMED_AT_ONCE * CALLS_AT_ONCE
        worker = await Leases(pool).register(host="here", pid=os.getpid(), release="0", slots=slots, length=_LEASE)
        print(READY, flush=True)
        await asyncio.gather(*(_end_what_comes(TaskQueue(pool), worker, stop) for _ in range(CALLS_AT_ONCE)))


async def _end_what_comes(queue: TaskQueue, worker: UUID, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if claims := await queue.claim(worker, CLAIMED_AT_ONCE, started_with=_STARTED_WITH):
            await succeed(queue, worker, claims)
        else:
            await asyncio.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    uvloop.run(_work(sys.argv[1]))
