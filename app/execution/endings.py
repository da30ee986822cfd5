"""Attempts that end at about the same time end in one statement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from app.failpoints import fail_point
from app.store.database import is_refusal

if TYPE_CHECKING:
    from uuid import UUID

    from app.store.queue import Ending, TaskQueue


_Waiting: TypeAlias = "tuple[Ending, asyncio.Future[bool]]"


class Endings:
    """Gathers what comes while the statement before is under way; nobody waits for a timer."""

    def __init__(self, queue: TaskQueue, worker: UUID) -> None:
        self._queue = queue
        self._worker = worker
        self._waiting: list[_Waiting] = []
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
            await self._send_batch(batch)

    async def _send_batch(self, batch: list[_Waiting]) -> None:
        try:
            fail_point("attempts.ending")
            refused = {e.claim.key for e in await self._queue.end_attempts(self._worker, [e for e, _ in batch])}
            fail_point("attempts.ended")
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            if is_refusal(error) and len(batch) > 1:
                # One ending must not hold up those that were sent with it.
                for waiting in batch:
                    await self._send_batch([waiting])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for ending, answer in batch:
            if not answer.done():
                answer.set_result(ending.claim.key not in refused)
