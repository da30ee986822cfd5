"""How long an attempt may be silent: neither read, nor write, nor log anything."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.attempt_protocol import Installing
from app.domain.duration import format_duration
from app.execution.limits import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.config.sections import Stalled
    from app.domain.attempt_protocol import AttemptMessage
    from app.domain.collection import Collection


def longest_silence(stalled: Stalled, collection: Collection) -> timedelta | None:
    """How long attempts of the collection may be silent; None for ever."""
    if collection.max_silence is None:
        return timedelta(minutes=stalled.last_activity_threshold_minutes)
    return collection.max_silence or None


class Silence:
    """Measures one attempt's silence, by this machine's clock. `longest` None: it may be silent for ever."""

    def __init__(self, longest: timedelta | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self._heard_at = clock()
        self._busy = 0

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Something has come, and is handled during the block: the time that takes does not count as silence."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._heard_at = self._clock()

    def note(self, message: AttemptMessage) -> None:
        """An installation has begun, which may take minutes and says nothing, or has ended."""
        match message:
            case Installing(done=False):
                self._busy += 1
            case Installing():
                self._busy -= 1
                self._heard_at = self._clock()

    @property
    def seconds_left(self) -> float:
        """How much longer the attempt may be silent; 0 or less if it was for too long."""
        longest = self._longest.total_seconds() if self._longest else float("inf")
        return longest if self._busy else self._heard_at + longest - self._clock()

    async def watch(self) -> None:
        """Return only by an error.

        Raises:
            LimitExceededError: the attempt was silent for too long.
        """
        if self._longest is None:
            return
        while (left := self.seconds_left) > 0:  # noqa: ASYNC110 -- silence has no event
            await asyncio.sleep(left)
        raise LimitExceededError(
            "max_silence",
            f"nothing was read, written or logged for {format_duration(self._longest)}",
            "if the source needs that long, raise its 'max_silence', or "
            "'server.sync_tasks.stalled.last_activity_threshold_minutes' for all sources",
        )
