"""Ends attempts in the database; those that end at about the same time share a statement.

When a task that goes back into the queue is due, the workers are told, so that they need not look for it often.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

import structlog

from app.causes import describe_error
from app.domain.task import Status
from app.failpoints import fail_point
from app.store.batcher import Batcher
from app.store.database import is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from app.domain.claim import Ending
    from app.store.queue import TaskQueue

PAUSE_SECONDS: Final = 0.5
"""The pause before an ending that could not be written is tried again."""

# Workers are told at such steps: while a source is down, tasks of all its collections are tried again all the time.
_DUE_STEP_SECONDS: Final = 0.5

# While the server processes one batch, the next one is encoded and sent. This is safe: a collection has one active
# task, so different endings change different rows, and an ending that is sent again waits for its own row.
_AT_ONCE: Final = 2

_logger = structlog.get_logger("syncline.attempt")


class Endings:
    """Writes the endings of a worker's attempts."""

    def __init__(self, queue: TaskQueue, worker: UUID, *, due: Callable[[], None]) -> None:
        """`due` is called when a task that went back into the queue may be claimed."""
        self._queue = queue
        self._worker = worker
        self._due = due
        self._due_times: set[float] = set()
        self._batcher = Batcher(self._send, at_once=_AT_ONCE)

    def put(self, ending: Ending) -> asyncio.Future[bool]:
        """End an attempt with the next batch. The result is False if the attempt no longer belongs to this worker."""
        return self._batcher.put(ending)

    async def end_all(self, endings: Sequence[Ending], lease_lost: Callable[[], bool]) -> list[Ending]:
        """End attempts, and try again until that succeeds or the lease is lost. Returns those that were not ended."""
        refused: list[Ending] = []
        while endings and not lease_lost():
            left: list[Ending] = []
            reason = ""
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
                        reason = describe_error(error)
            if left:
                _logger.warning("endings.delayed", attempts=len(left), error=reason)
                await asyncio.sleep(PAUSE_SECONDS)
            endings = left
        return [*refused, *endings]

    async def _send(self, endings: Sequence[Ending]) -> list[bool]:
        fail_point("attempts.ending")
        refused = {ending.claim.key for ending in await self._queue.end_attempts(self._worker, endings)}
        fail_point("attempts.ended")
        # The delays have begun before the statement's answer came, so the tasks are due by then.
        for delay in {ending.delay for ending in endings if ending.status is Status.SCHEDULED}:
            self._tell_after(delay.total_seconds())
        return [ending.claim.key not in refused for ending in endings]

    def _tell_after(self, seconds: float) -> None:
        if seconds <= 0:
            self._due()
            return
        loop = asyncio.get_running_loop()
        at = math.ceil((loop.time() + seconds) / _DUE_STEP_SECONDS) * _DUE_STEP_SECONDS
        if at not in self._due_times:
            self._due_times.add(at)
            loop.call_at(at, self._tell, at)

    def _tell(self, at: float) -> None:
        self._due_times.discard(at)
        self._due()
