"""Attempts that end at about the same time end in one statement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from app.failpoints import fail_point
from app.store.batcher import Batcher
from app.store.database import describe_error, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from app.domain.claim import Ending
    from app.store.queue import TaskQueue

PAUSE_SECONDS: Final = 0.5
"""Before an ending is tried again that could not be written."""

# While the server ends some attempts, the next ones are encoded and sent. Endings of different attempts touch different
# rows, for a collection has one active task; one that is sent again waits for its own row.
_AT_ONCE: Final = 2

_logger = structlog.get_logger("syncline.attempt")


class Endings:
    """The endings of one worker's attempts."""

    def __init__(self, queue: TaskQueue, worker: UUID) -> None:
        self._queue = queue
        self._worker = worker
        self._batcher = Batcher(self._send, at_once=_AT_ONCE)

    def put(self, ending: Ending) -> asyncio.Future[bool]:
        """End an attempt: False when it no longer belongs to this worker. The statement's errors reach every caller."""
        return self._batcher.put(ending)

    async def end_all(self, endings: Sequence[Ending], lease_lost: Callable[[], bool]) -> list[Ending]:
        """End attempts, trying again until they are ended or the lease is lost: those that could not be ended."""
        refused: list[Ending] = []
        while endings and not lease_lost():
            left: list[Ending] = []
            why = ""
            answers = [(ending, self.put(ending)) for ending in endings]
            for ending, answer in answers:
                try:
                    if not await answer:
                        refused.append(ending)
                except Exception as error:
                    if is_refusal(error):
                        _logger.exception("attempt.broken", task=ending.claim.task_id, attempt=ending.claim.attempt)
                        refused.append(ending)
                    else:
                        left.append(ending)
                        why = describe_error(error)
            if left:
                _logger.warning("attempts.waiting", attempts=len(left), error=why)
                await asyncio.sleep(PAUSE_SECONDS)
            endings = left
        return [*refused, *endings]

    async def _send(self, endings: Sequence[Ending]) -> list[bool]:
        fail_point("attempts.ending")
        refused = {ending.claim.key for ending in await self._queue.end_attempts(self._worker, endings)}
        fail_point("attempts.ended")
        return [ending.claim.key not in refused for ending in endings]
