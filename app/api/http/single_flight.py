"""One run of a piece of work for all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Calls that come while `work` runs wait for this run and share its result, or its error.

    So what a flood of requests costs is one statement at a time, and none of them waits for another's turn.
    """

    def __init__(self, work: Callable[[], Awaitable[Result]]) -> None:
        self._work = work
        self._running: asyncio.Task[Result] | None = None

    async def __call__(self) -> Result:
        """The result of the run that is under way, or of a new one. Who leaves takes nothing from the others."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
            self._running.add_done_callback(self._over)
        return await asyncio.shield(self._running)

    async def _run(self) -> Result:
        return await self._work()

    def _over(self, run: asyncio.Task[Result]) -> None:
        self._running = None
        if not run.cancelled():
            run.exception()  # looked at, for everybody who asked may have left
