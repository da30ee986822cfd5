"""Many that ask at about the same time share a statement."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from app.store.database import is_refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_AT_ONCE: Final = 1000


class Batcher(Generic[Item, Answer]):
    """Makes batches of what comes while the statements before are under way; nobody waits for a timer.

    `send` answers each item at its place, with an exception where that item alone has failed, or raises for all of
    them. As many as `at_once` of its calls are under way together, by default one: then what comes later is sent later.
    """

    def __init__(
        self, send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]], *, at_once: int = 1
    ) -> None:
        self._send = send
        self._at_once = at_once
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._senders: set[asyncio.Task[None]] = set()

    def put(self, item: Item) -> asyncio.Future[Answer]:
        """Send an item with the next statement: its answer to come. Errors of the statement reach all that it held.

        Who cancels the answer before the statement begins has asked for nothing.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        # Where others wait already, a sender is about to take them, and takes this one too.
        if not self._senders or (len(self._waiting) == 1 and len(self._senders) < self._at_once):
            self._senders.add(asyncio.create_task(self._send_all()))
        return answer

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._send_batch([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))])
        finally:
            # Here and not when the task is done, which is later: nobody would take what is put in between.
            self._senders -= {asyncio.current_task()}

    async def _send_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        batch = [waiting for waiting in batch if not waiting[1].done()]
        if not batch:
            return
        try:
            answers = await self._send([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            if is_refusal(error) and len(batch) > 1:
                # One item must not hold up those that were sent with it.
                for waiting in batch:
                    await self._send_batch([waiting])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), given in zip(batch, answers, strict=True):
            if answer.done():
                continue
            if isinstance(given, Exception):
                answer.set_exception(given)
            else:
                answer.set_result(given)
