"""Attempts that end at about the same time end in one statement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from app.store.queue import Ending, TaskQueue


class Endings:
    """Gathers what comes while the statement before is under way; nobody waits for a timer."""

    def __init__(self, queue: TaskQueue, worker: UUID) -> None:
        self._queue = queue
        self._worker = worker
        self._waiting: list[tuple[Ending, asyncio.Future[bool]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def end(self, ending: Ending) -> bool:
        """End an attempt: False when it is not this worker's any more. Errors of the statement reach every caller."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((ending, answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                refused = {e.claim.task for e in await self._queue.end_attempts(self._worker, [e for e, _ in batch])}
            except Exception as error:  # noqa: BLE001 - handed to those who wait
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for ending, answer in batch:
                if not answer.done():
                    answer.set_result(ending.claim.task not in refused)
