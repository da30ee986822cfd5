"""Follows the logs of tasks once for all clients of this process, however many they are."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from app.api.http.followers import Followers
from app.api.http.single_flight import SingleFlight
from app.loops import first_of
from app.store.reads import LogFilter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from uuid import UUID

    from asyncpg import Record

    from app.store.reads import Reader

_PAGE: Final = 500
_LOOK_SECONDS: Final = 0.5


class LogNews(NamedTuple):
    """The next lines of a log, none after a quiet time.

    `ended_by` is None as long as there may be more; then a time of `time.monotonic` when the task had ended. It is the
    same for all who were told at once.
    """

    lines: Sequence[Record]
    ended_by: float | None = None


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody who has all lines of a task up to `place`."""

    task: UUID
    place: tuple[int, int]
    called: asyncio.Event = field(default_factory=asyncio.Event)
    ended_by: float | None = None


class LiveLogs:
    """One statement looks twice a second which of the followed logs have grown; only these are read.

    Those who have the same lines of a log share what is read of it until the next look.
    """

    def __init__(self, reader: Reader, *, stop: asyncio.Event) -> None:
        """Set up; it reads nothing yet. `stop` ends all followers."""
        self._reader = reader
        self._stop = stop
        self._waiting: set[_Waiting] = set()
        self._reading: dict[tuple[UUID, tuple[int, int]], SingleFlight[list[Record]]] = {}
        self._followers = Followers("logs", self._look, at_end=self._reading.clear)

    @property
    def is_full(self) -> bool:
        """Whether one more would be too many."""
        return self._followers.is_full

    async def follow(self, task: UUID, after: tuple[int, int], *, quiet_seconds: float) -> AsyncGenerator[LogNews]:
        """Yield the lines of a task's log after a line, and something after each quiet time. Close it when you leave.

        It ends when the task has ended, or when the process does.
        """
        ended_by = None
        with self._followers.joined():
            while not self._stop.is_set():
                lines = await self._read(task, after)
                if lines:
                    after = lines[-1]["attempt"], lines[-1]["line"]
                    yield LogNews(lines)
                if len(lines) == _PAGE:
                    continue
                if ended_by is not None:
                    yield LogNews([], ended_by)
                    return
                waiting = _Waiting(task, after)
                self._waiting.add(waiting)
                try:
                    is_called = await first_of(waiting.called, self._stop, timeout=quiet_seconds)
                finally:
                    self._waiting.discard(waiting)
                ended_by = waiting.ended_by
                if not is_called:
                    yield LogNews([])

    async def _read(self, task: UUID, after: tuple[int, int]) -> list[Record]:
        key = task, after
        return await self._reading.setdefault(key, SingleFlight(partial(self._fetch, *key)))()

    async def _fetch(self, task: UUID, after: tuple[int, int]) -> list[Record]:
        pages = self._reader.page_log(task, LogFilter(after=after, limit=_PAGE))
        return [line async for page in pages for line in page]

    async def _look(self) -> float:
        """Call those whose log has grown or is over; returns the seconds until the next look."""
        places = {(each.task, *each.place) for each in self._waiting}
        if not places:
            return _LOOK_SECONDS
        grown = await self._reader.find_grown_logs(places)
        now = time.monotonic()
        # What is being read may have begun before the lines that those who are called must get.
        self._reading.clear()
        for each in self._waiting:
            has_ended = grown.get((each.task, *each.place))
            if has_ended is not None:
                each.ended_by = now if has_ended else None
                each.called.set()
        return _LOOK_SECONDS
