"""What is read, or shown, once for everybody who looks at the same moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.domain.feed import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

    from app.domain.feed import Place

Result = TypeVar("Result")

# Open pages ask again by themselves. Whatever their number, the store is asked no more often than this.
FRESH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """A call of `read`: when it began, and how often everything had been forgotten by then."""

    task: asyncio.Task[Any]
    began: float
    age: int

    @property
    def has_failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class Shared:
    """Keeps results for a second, but not for those who know of something that has happened since."""

    def __init__(self) -> None:
        self._readings: dict[Hashable, _Reading] = {}
        self._told_upto = BEGINNING
        self._age = 0
        self._forgotten_at = 0.0

    async def get(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """What a call of `read` for this key gave that began at most a second ago, and not before anything was told.

        If there is none, `read` is called, for this key by one at a time. All who wait for a call share its error.
        """
        age, oldest = self._age, time.monotonic() - FRESH_SECONDS
        while True:
            reading = self._readings.get(key)
            if reading is None or reading.has_failed:
                reading = self._begin(key, read)
            if reading.age >= age and reading.began >= oldest:
                result: Result = await asyncio.shield(reading.task)
                return result
            await asyncio.wait([reading.task])
            if self._readings.get(key) is reading:
                del self._readings[key]

    def forget(self) -> None:
        """Somebody has changed something here, and wants to see it."""
        self._age += 1
        self._forgotten_at = time.monotonic()

    def forget_until(self, moment: float) -> None:
        """Something had happened by this moment of `time.monotonic`; many may say so."""
        if moment > self._forgotten_at:
            self.forget()

    def forget_all_told(self) -> None:
        """The feed may have lost events, as after a failover: its places may come again."""
        self._told_upto = BEGINNING
        self.forget()

    def forget_before(self, upto: Place) -> None:
        """Something has happened, up to this place of the feed; everybody who follows that says so."""
        if upto > self._told_upto:
            self._told_upto = upto
            self.forget()

    def _begin(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Result]]) -> _Reading:
        began = time.monotonic()
        for old in [name for name, each in self._readings.items() if each.began < began - FRESH_SECONDS]:
            if self._readings[old].task.done():
                del self._readings[old]
        reading = _Reading(asyncio.get_running_loop().create_task(read()), began, self._age)
        # Retrieved here, as all who wait may have left.
        reading.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._readings[key] = reading
        return reading
