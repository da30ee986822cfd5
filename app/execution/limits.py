"""Limits of an attempt that are watched while it runs, and what happens when it exceeds one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


class LimitExceededError(SynclineError):
    """An attempt has exceeded the limit `key` of its source; `happened` says how, `help_` what to do.

    It must end `at_once` if a polite end could do harm.
    """

    def __init__(self, key: str, happened: str, help_: str, *, at_once: bool = False) -> None:
        super().__init__(f"{key}: {happened}; {help_}")
        self.key = key
        self.happened = happened
        self.help = help_
        self.at_once = at_once


@asynccontextmanager
async def limited_by(*watches: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the block until a watch raises: its error then ends the block, and comes out of it."""
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(watch) for watch in watches]
    scope = asyncio.timeout(None)

    def end(watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and watch.exception() and not scope.expired():
            scope.reschedule(loop.time())

    try:
        async with scope:
            for task in tasks:
                task.add_done_callback(end)
            yield
    except TimeoutError:
        if not scope.expired():
            raise
    finally:
        for task in tasks:
            task.remove_done_callback(end)
            task.cancel()
    # Also where the block has ended by itself: a watch may have ended the process that it waited for.
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error
