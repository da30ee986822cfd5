"""One run of a piece of work for all concurrent callers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Calls during a run of `work` wait for that run and share its result, or its error.

    So a flood of requests costs one statement at a time, and no request waits for another run.
    """

    def __init__(self, work: Callable[[], Awaitable[Result]]) -> None:
        self._work = work
        self._running: asyncio.Task[Result] | None = None

    async def __call__(self) -> Result:
        """The result of the current run, or of a new one. Canceling one caller does not affect the others."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
            self._running.add_done_callback(self._forget)
        return await asyncio.shield(self._running)

    async def _run(self) -> Result:
        return await self._work()

    def _forget(self, run: asyncio.Task[Result]) -> None:
        self._running = None
        if not run.cancelled():
            run.exception()  # retrieved, as all callers may have been canceled
