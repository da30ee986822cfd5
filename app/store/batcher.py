"""Batches items that arrive at about the same time, so that they share a statement."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from app.store.database import is_refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_ITEMS: Final = 1000


class Batcher(Generic[Item, Answer]):
    """Collects items while earlier batches are being sent. The first item is sent at once; there is no timer.

    `send` returns one answer for each item, in the same order: an exception if only that item failed. It raises if all
    of them failed. At most `at_once` calls of `send` run at the same time; with one, items are sent in order.
    """

    def __init__(
        self, send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]], *, at_once: int = 1
    ) -> None:
        self._send = send
        self._at_once = at_once
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._senders: set[asyncio.Task[None]] = set()

    def put(self, item: Item) -> asyncio.Future[Answer]:
        """Send an item with the next batch. The returned future gets its answer, or the error of the whole batch.

        An item whose future is canceled before the batch is sent is dropped.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        # If other items are waiting, a sender is about to take them, and will take this one too.
        if not self._senders or (len(self._waiting) == 1 and len(self._senders) < self._at_once):
            self._senders.add(asyncio.create_task(self._send_all()))
        return future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._send_batch([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_ITEMS))])
        finally:
            # Not in a callback of the finished task, which runs later: an item added in between would wait forever.
            self._senders -= {asyncio.current_task()}

    async def _send_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        batch = [(item, future) for item, future in batch if not future.done()]
        if not batch:
            return
        try:
            answers = await self._send([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - passed on to the callers
            if is_refusal(error) and len(batch) > 1:
                # One bad item must not fail the others in its batch.
                for waiting in batch:
                    await self._send_batch([waiting])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
