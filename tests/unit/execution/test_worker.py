"""A worker that has no lease yet."""

from __future__ import annotations

import asyncio
from typing import Any

from app.execution.worker import Worker


class SilentLeases:
    """Of a database that does not answer, nor to the cancellation of a statement."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def register(self, **_: Any) -> None:
        self.asked.set()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not self.asked.is_set():
                    raise
                self.asked.clear()


class Options:
    """What a registration tells."""

    release, slots, lease, pools = "test", 1, None, ()


async def test_a_worker_ends_although_the_database_does_not_answer_its_registration() -> None:
    leases, stop = SilentLeases(), asyncio.Event()
    given: Any = (None, leases, None, Options(), None)
    worker = Worker(*given)
    running = asyncio.create_task(worker.run(stop, asyncio.Event()))
    async with asyncio.timeout(10):
        await leases.asked.wait()
        stop.set()
        await running
    assert worker.id is None
