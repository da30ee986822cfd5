"""Those who follow something, and the one loop that looks for it while there are any."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Final

from app.loops import repeat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

MOST_FOLLOWERS: Final = 1000
"""Each keeps a connection of its client. Others must be left for those that ask something."""


class Followers:
    """Counts those who follow, and repeats `look` while there are any."""

    def __init__(self, name: str, look: Callable[[], Awaitable[float]], *, at_end: Callable[[], None]) -> None:
        """Set up; nothing runs yet.

        Args:
            name: of the loop.
            look: a step of it; returns the seconds until the next one.
            at_end: called when the last one has left.
        """
        self._name = name
        self._look = look
        self._at_end = at_end
        self._number = 0
        self._looking: asyncio.Task[None] | None = None
        self.have_left = asyncio.Event()
        """Set when the last one has left, and new with the next one."""

    @property
    def is_full(self) -> bool:
        """Whether one more would be too many."""
        return self._number >= MOST_FOLLOWERS

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be one of them."""
        if not self._number:
            self.have_left = asyncio.Event()
            # Not in the context of this request, whose id would stand in the log for as long as somebody follows.
            looking = repeat(self._name, self._look, stop=self.have_left)
            self._looking = asyncio.create_task(looking, context=Context())
        self._number += 1
        try:
            yield
        finally:
            self._number -= 1
            if not self._number and self._looking is not None:
                self.have_left.set()
                self._looking.cancel()
                self._at_end()
