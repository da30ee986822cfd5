"""What is read once for everybody who looks at the same moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from app.api.http.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = TypeVar("Result")

# Pages ask again every two seconds. Whatever their number, the store is asked no more often than this.
FRESH_SECONDS: Final = 1.0


class Briefly(Generic[Result]):
    """Keeps a result for a second. It suits pages that ask again by themselves, so that nothing old stays."""

    def __init__(self, read: Callable[[], Awaitable[Result]]) -> None:
        self._read = SingleFlight(read)
        self._last: Result | None = None
        self._read_at = float("-inf")

    async def get(self) -> Result:
        if self._last is None or time.monotonic() - self._read_at > FRESH_SECONDS:
            began = time.monotonic()
            self._last = await self._read()
            self._read_at = began
        return self._last
