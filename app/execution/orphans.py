"""What a killed attempt leaves to the process that has started it."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from app.lifeline import adopt_orphans, children_elsewhere, end_descendants, end_marked, kill_or_reap
from app.loops import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

# A process that the kernel does not let go, or that belongs to another user, is not waited for longer.
_PATIENCE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.01

_Owner = TypeVar("_Owner")

_logger = structlog.get_logger("syncline.orphans")


class Ending(Generic[_Owner]):
    """Kills what belongs to something, in a thread.

    Each look through the processes of this machine takes milliseconds, in which this process does nothing else. So it
    serves all attempts that end at the same time.
    """

    def __init__(self, kill: Callable[[Collection[_Owner]], None]) -> None:
        self._kill = kill
        self._wanted: set[_Owner] = set()
        self._round = Rounds(self._kill_wanted)

    async def __call__(self, owner: _Owner) -> None:
        """Kill what belongs to `owner`."""
        self._wanted.add(owner)
        try:
            await self._round()
        finally:
            self._wanted.discard(owner)

    async def _kill_wanted(self) -> None:
        await asyncio.to_thread(self._kill, frozenset(self._wanted))


class Orphans:
    """The children that this process has not started itself.

    An attempt has a session of its own and adopts what is orphaned below it, so its descendants come here only when it
    is dead, and always in another session than that of this process. Use it in the event loop.
    """

    def __init__(self) -> None:
        self._adopts = False
        self._starting = 0
        self._known: set[int] = set()
        self._left: set[int] = set()
        self._round = Rounds(self._end)

    def adopt(self) -> None:
        """From now on orphans come here, on Linux.

        Children from before, such as those of a start script, are spared.
        """
        self._adopts = adopt_orphans()
        if self._adopts:
            self._known.update(children_elsewhere())

    @contextmanager
    def starting(self) -> Iterator[Callable[[int], None]]:
        """Enclose the start of an attempt in this, and call the function with its pid: it is not an orphan."""
        self._starting += 1
        try:
            yield self._known.add
        finally:
            self._starting -= 1

    def forget(self, pid: int) -> None:
        """An attempt has ended and was waited for."""
        self._known.discard(pid)

    async def end(self) -> None:
        """Kill the orphans, and wait for them."""
        if self._adopts:
            await self._round()

    async def _end(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        killed: dict[int, str] = {}
        while orphans := await self._list():
            # Not in between: an attempt that has just been started is not known yet.
            if not self._starting:
                killed |= {pid: name for pid, name in orphans.items() if kill_or_reap(pid)}
            if not orphans.keys() - self._left:
                break
            if time.monotonic() > deadline:
                _logger.warning("orphans.left", processes=orphans)
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        self._left = set(orphans)
        if programs := {name for pid, name in killed.items() if pid not in orphans}:
            _logger.warning("orphans.killed", programs=sorted(programs))

    async def _list(self) -> dict[int, str]:
        found = await asyncio.to_thread(children_elsewhere, frozenset(self._known))
        # Again, because attempts have been started meanwhile.
        return {pid: name for pid, name in found.items() if pid not in self._known}


END_BELOW: Final = Ending(end_descendants)
"""Kills everything below a process, which must start nothing more."""

END_MARKED: Final = Ending(end_marked)
"""Kills everything that has a mark, wherever it went."""

ORPHANS: Final = Orphans()
"""Those of this process: it has only one set of children."""
