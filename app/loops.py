"""How every loop of a process waits, wakes and stops: one shape for all of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0

_logger = structlog.get_logger("syncline.loops")


async def repeat(
    name: str,
    step: Callable[[], Awaitable[float]],
    *,
    stop: asyncio.Event,
    wake: asyncio.Event | None = None,
) -> None:
    """Do `step` again and again until `stop` is set.

    A step returns how many seconds the next one may wait; `wake` ends the wait early. A step that fails is logged and
    tried again after a growing pause, so that one error does not end the loop.
    """
    wake = wake or asyncio.Event()
    pause = 0.0
    while not stop.is_set():
        wake.clear()
        try:
            wait = await step()
            pause = 0.0
        except Exception as error:  # noqa: BLE001 - whatever it was, the loop goes on
            wait = pause = min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            _report(name, error)
        await first_of(stop, wake, timeout=wait)


async def first_of(*signals: asyncio.Event, timeout: float | None) -> bool:  # noqa: ASYNC109 - a wait that runs out is no error
    """Return when one of the signals is set, or after `timeout` seconds: whether one was."""
    if timeout is not None and timeout <= 0:
        await asyncio.sleep(0)
        return any(signal.is_set() for signal in signals)
    waits = [asyncio.ensure_future(signal.wait()) for signal in signals]
    try:
        done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        # Not awaited: a cancellation that came meanwhile would be swallowed with theirs.
        for wait in waits:
            wait.cancel()


async def set_after(signal: asyncio.Event, *others: asyncio.Event) -> None:
    """Set `signal` once one of the others is set."""
    await first_of(*others, timeout=None)
    signal.set()


@asynccontextmanager
async def running_alongside(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines while the block runs; if one failed, raise its error when the block ends."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


class Rounds:
    """Work that callers at the same time share: each waits for a round of it that began after the call.

    A round that is canceled or fails helps nobody but its own caller.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], *, lock: asyncio.Lock | None = None) -> None:
        """`lock` is held during each round: what else holds it does not happen at the same time."""
        self._work = work
        self._lock = lock or asyncio.Lock()
        self._begun = 0
        self._finished = 0

    async def __call__(self) -> None:
        wanted = self._begun + 1
        async with self._lock:
            if self._finished < wanted:
                self._begun += 1
                await self._work()
                self._finished = self._begun


async def finish_uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work` however often this task is canceled meanwhile; the cancellation takes effect afterwards."""
    task = asyncio.ensure_future(work)
    canceled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            canceled = error
    if canceled is not None:
        raise canceled
    task.result()


def _report(name: str, error: Exception) -> None:
    """What the database or the user did is one line; what we did wrong is a traceback."""
    ours = not isinstance(error, SynclineError | OSError) and type(error).__module__.split(".")[0] != "asyncpg"
    _logger.error("loop.failed", loop=name, error=str(error) or type(error).__name__, exc_info=error if ours else None)
