"""The logs of a worker's attempts: lines are numbered at once and stored in batches, in order, fenced by the lease."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import structlog

from app.causes import describe_error
from app.domain.task import log_prefix
from app.execution.text import clean, clean_all
from app.store.database import UNREACHABLE
from app.store.log import LineBlock, append_lines, join_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from app.domain.attempt_protocol import Level
    from app.domain.claim import Claim, NumberedLine
    from app.store.database import Pool

_BATCH_LINES: Final = 5000
# Writers wait between two blocks, never within one, so a log exceeds the limits below by at most one block.
_BLOCK_LINES: Final = 1000
_BATCH_CHARACTERS: Final = 4_000_000
_MOST_LINES: Final = 20_000
_MOST_CHARACTERS: Final = 16_000_000
# Lines that arrive within this time share a statement; readers see a line well within 200 ms.
_GATHER_SECONDS: Final = 0.02
# The last lines of an attempt are stored together with its ending, unless there are more than these.
_ENDING_LINES: Final = 100
_ENDING_CHARACTERS: Final = 64_000
_PAUSE_SECONDS: Final = 0.5

_logger = structlog.get_logger("syncline.log")


class AttemptLog:
    """The log of one attempt."""

    def __init__(self, log: TaskLog, claim: Claim, redact: Callable[[str], str]) -> None:
        self._log = log
        self.redact = redact
        self.claim = claim
        self.waiting: deque[LineBlock] = deque()
        self.under_way: list[LineBlock] = []
        self.all_stored = asyncio.Event()
        self.all_stored.set()
        self.closed = False
        self._line = 0
        self._prefix = log_prefix(claim.task_id)

    def mask(self, redact: Callable[[str], str]) -> None:
        """Mask more from now on, beside what is masked already.

        By another redactor, because one for all secrets of a large catalogue takes long to make.
        """
        earlier = self.redact
        # The newest first: a renewed secret may begin with the one before.
        self.redact = lambda text: earlier(redact(text))

    def next_line(self) -> int:
        """The number that the next line will have."""
        return self._line + 1

    async def write(self, level: Level, message: str, system: str | None = None) -> None:
        """Add a line, of the program `system` if that is not None.

        Waits while too many lines of this worker are not stored yet.
        """
        if not self.closed:
            await self._log.add(self, [self._block(level, [message], system)])

    async def write_all(self, lines: Sequence[tuple[Level, str]]) -> None:
        """Add lines of Syncline itself that arrive together."""
        for start in range(0, len(lines), _BLOCK_LINES):
            if self.closed:
                return
            # Consecutive lines of the same level become one block.
            by_level = groupby(lines[start : start + _BLOCK_LINES], itemgetter(0))
            blocks = [self._block(level, [message for _, message in together]) for level, together in by_level]
            await self._log.add(self, blocks)

    def _block(self, level: Level, messages: Sequence[str], system: str | None = None) -> LineBlock:
        """Number and clean the next lines."""
        first = self.next_line()
        self._line += len(messages)
        cleaned = clean_all(messages, self.redact)
        # A command may be called by what is a secret elsewhere.
        system = None if system is None else self.clean(system)
        return LineBlock.of(first, time.monotonic(), level, cleaned, prefix=self._prefix, system=system)

    def clean(self, text: str) -> str:
        """Clean a text in the same way as lines."""
        return clean(text, self.redact)

    async def take_rest(self) -> Sequence[NumberedLine]:
        """Take the last lines, to be stored with the attempt's ending. Waits until all lines before them are stored."""
        lines, characters = _size(self.waiting)
        few = lines <= _ENDING_LINES and characters <= _ENDING_CHARACTERS
        if few and not self.under_way:
            return self._log.take_lines(self)
        await self.all_stored.wait()
        return ()

    def close(self) -> None:
        """Drop lines that are not stored yet, and all that follow: the attempt may not write any more."""
        self.closed = True
        self._log.forget(self)


class TaskLog:
    """All logs of a worker's lease; `refused` is called with a claim that may not write any more."""

    def __init__(self, pool: Pool, worker: UUID, refused: Callable[[Claim], None]) -> None:
        self._pool = pool
        self._worker = worker
        self._refused = refused
        self._unstored: dict[AttemptLog, None] = {}
        self._lines = 0
        self._characters = 0
        self._one_by_one = False
        self._has_lines = asyncio.Event()
        self._has_room = asyncio.Event()

    def open(self, claim: Claim, redact: Callable[[str], str]) -> AttemptLog:
        return AttemptLog(self, claim, redact)

    async def add(self, log: AttemptLog, blocks: Sequence[LineBlock]) -> None:
        log.waiting.extend(blocks)
        log.all_stored.clear()
        self._unstored[log] = None
        lines, characters = _size(blocks)
        self._lines += lines
        self._characters += characters
        self._has_lines.set()
        while (self._lines > _MOST_LINES or self._characters > _MOST_CHARACTERS) and not log.closed:
            self._has_room.clear()
            await self._has_room.wait()

    def take_lines(self, log: AttemptLog) -> Sequence[NumberedLine]:
        """Hand over the lines of a log that has none in a running statement; the caller stores them."""
        lines = [line for block in log.waiting for line in block.lines()]
        self.forget(log)
        return lines

    def forget(self, log: AttemptLog) -> None:
        self._settle(log, [*log.under_way, *log.waiting])
        log.waiting.clear()
        self._unstored.pop(log, None)
        log.all_stored.set()

    async def run(self) -> None:
        """Store lines as they arrive, until canceled. One statement at a time, which keeps every log in order."""
        while True:
            await self._has_lines.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._has_lines.clear()
            while self._unstored:
                await self._store_batch()

    async def _store_batch(self) -> None:
        # Lines that are already under way were sent before, and may be stored.
        again = any(log.under_way for log in self._unstored)
        batch = self._take_batch()
        blocks = [(log.claim, tuple(log.under_way)) for log in batch]
        try:
            refused = await append_lines(self._pool, self._worker, blocks, now=time.monotonic(), again=again)
        except Exception as error:  # noqa: BLE001 - the lines wait until the database is back or the lease is lost
            _logger.warning("log.delayed", lines=sum(_size(own)[0] for _, own in blocks), error=describe_error(error))
            # If one log causes the error, the others must not wait for it.
            self._one_by_one = not isinstance(error, UNREACHABLE)
            for log in batch:
                self._move_back(log)
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        self._one_by_one = False
        for log in batch:
            if log.closed:
                continue
            if log.claim.key in refused:
                log.close()
                self._refused(log.claim)
            else:
                self._mark_stored(log)

    def _take_batch(self) -> list[AttemptLog]:
        """Move the next lines of the logs under way. Lines that could not be stored are sent again, which is safe."""
        lines, characters = _BATCH_LINES, _BATCH_CHARACTERS
        batch = []
        for log in self._unstored:
            sent_lines, sent_characters = _size(log.under_way)
            lines -= sent_lines
            characters -= sent_characters
            taken = []
            while log.waiting and lines > 0 and characters > 0:
                taken.append(log.waiting.popleft())
                lines -= taken[-1].count
                characters -= taken[-1].characters
            log.under_way += join_blocks(taken)
            batch.append(log)
            if lines <= 0 or characters <= 0 or self._one_by_one:
                break
        return batch

    def _mark_stored(self, log: AttemptLog) -> None:
        self._settle(log, log.under_way)
        if log.waiting:
            # Back to the end of the queue: one attempt with many lines must not hold up the others.
            self._move_back(log)
        else:
            del self._unstored[log]
            log.all_stored.set()

    def _move_back(self, log: AttemptLog) -> None:
        if log in self._unstored:
            del self._unstored[log]
            self._unstored[log] = None

    def _settle(self, log: AttemptLog, blocks: Sequence[LineBlock]) -> None:
        lines, characters = _size(blocks)
        self._lines -= lines
        self._characters -= characters
        log.under_way.clear()
        self._has_room.set()


def _size(blocks: Iterable[LineBlock]) -> tuple[int, int]:
    """Lines and characters."""
    lines = characters = 0
    for block in blocks:
        lines += block.count
        characters += block.characters
    return lines, characters
