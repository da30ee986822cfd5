"""The logs of one worker: lines are numbered at once, stored in batches, in order, fenced by the lease."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.text import fit
from app.store.log import NumberedLine, append_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.domain.attempt_protocol import Level
    from app.store.database import Pool
    from app.store.queue import Claim

_BATCH_LINES: Final = 2000
_MOST_WAITING: Final = 20_000
# Lines that come within this time share a statement; a reader sees a line well within 200 ms.
_GATHER_SECONDS: Final = 0.02
_PAUSE_SECONDS: Final = 0.5

_logger = structlog.get_logger("syncline.log")


class AttemptLog:
    """The log of one attempt."""

    def __init__(self, log: TaskLog, claim: Claim, redact: Callable[[str], str]) -> None:
        self._log = log
        self.redact = redact
        self.claim = claim
        self.waiting: deque[NumberedLine] = deque()
        self.under_way: list[NumberedLine] = []
        self._line = 0

    def next_line(self) -> int:
        """The number of the line after all that were written."""
        return self._line + 1

    async def write(self, level: Level, message: str) -> None:
        """Add a line; waits while too many lines of this worker are not stored yet."""
        self._line += 1
        text = f"[{self.claim.task_id}] {self.presentable(message)}"
        await self._log.add(self, NumberedLine(self._line, time.monotonic(), level, text))

    def presentable(self, text: str) -> str:
        """A text fit to be kept for ever: without secrets, without what PostgreSQL cannot hold, not too long."""
        return fit(self.redact(text))

    async def stored(self) -> None:
        """Return when every line written so far is stored, or the attempt may write no more."""
        await self._log.stored(self)


class TaskLog:
    """All logs of one worker's lease; `refused` is called with a claim that may write no more."""

    def __init__(self, pool: Pool, worker: UUID, refused: Callable[[Claim], None]) -> None:
        self._pool = pool
        self._worker = worker
        self._refused = refused
        self._unstored: dict[AttemptLog, None] = {}
        self._waiting = 0
        self._something = asyncio.Event()
        self._changed = asyncio.Condition()

    def open(self, claim: Claim, redact: Callable[[str], str]) -> AttemptLog:
        return AttemptLog(self, claim, redact)

    async def add(self, log: AttemptLog, line: NumberedLine) -> None:
        log.waiting.append(line)
        self._unstored[log] = None
        self._waiting += 1
        self._something.set()
        if self._waiting > _MOST_WAITING:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting <= _MOST_WAITING or log not in self._unstored)

    async def stored(self, log: AttemptLog) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: log not in self._unstored)

    def drop(self, log: AttemptLog) -> None:
        """Forget the lines of an attempt that may write no more."""
        self._waiting -= len(log.waiting) + len(log.under_way)
        log.waiting.clear()
        log.under_way.clear()
        self._unstored.pop(log, None)

    async def run(self) -> None:
        """Store lines as they come, until canceled. One statement at a time: that keeps every log in order."""
        while True:
            await self._something.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._something.clear()
            while self._unstored:
                await self._store_batch()

    async def _store_batch(self) -> None:
        batch = self._take()
        lines = [(log.claim, log.under_way) for log in batch]
        try:
            refused = await append_lines(self._pool, self._worker, lines, now=time.monotonic())
        except Exception as error:  # noqa: BLE001 - the lines wait until the database is back or the lease is over
            _logger.warning("log.waiting", lines=sum(len(own) for _, own in lines), error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        for log in batch:
            if (log.claim.task, log.claim.attempt) in refused:
                self.drop(log)
                self._refused(log.claim)
            self._settle(log)
        async with self._changed:
            self._changed.notify_all()

    def _take(self) -> list[AttemptLog]:
        """The next lines of every log, the same again when they could not be stored; sent twice they change nothing."""
        room = _BATCH_LINES
        batch = []
        for log in list(self._unstored):
            while log.waiting and len(log.under_way) < room:
                log.under_way.append(log.waiting.popleft())
            room -= len(log.under_way)
            batch.append(log)
            if room <= 0:
                break
        return batch

    def _settle(self, log: AttemptLog) -> None:
        self._waiting -= len(log.under_way)
        log.under_way.clear()
        if not log.waiting:
            self._unstored.pop(log, None)
