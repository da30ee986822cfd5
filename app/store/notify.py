"""Waking sleepers: one channel, the first notification at once and the next ones at most every few milliseconds.

NOTIFY takes a lock of the whole server at commit, so many are made one; and a listener may miss one or fall silent, so
whoever waits here polls as well.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from app.domain.errors import DatabaseReadOnlyError, SynclineError
from app.store.database import UNREACHABLE, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.store.database import Pool

CHANNEL: Final = "syncline"
_COALESCE_SECONDS: Final = 0.005
# Nothing is lost when a crash takes a notification with it, so its transaction does not wait for the disk.
_NOTIFY: Final = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')"
# Times the duration of a statement that carried a notification.
_REST_AFTER_CARRYING: Final = 9
_PROBE_SECONDS: Final = 15.0

_logger = structlog.get_logger("syncline.notify")


class Notifier:
    """Tells all listeners that there is something to do. A notification lost costs one poll interval, nothing else."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._pending: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._sent_at = float("-inf")
        self._carries_from = float("-inf")

    def notify(self) -> None:
        """Return at once. The notification follows at once too, but a few milliseconds after the one before."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.get_running_loop().create_task(self._send())
            self._sending.add(self._pending)
            self._pending.add_done_callback(self._sending.discard)

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[str | None]:
        """Around a statement: the channel for it to tell, by which a listener hears as soon as it is durable; or None.

        A commit that notifies holds up all others that do until the disk has it, so one carries at a time, and all
        that carry take a tenth of the time at most.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        if self._pending is not None or began < self._carries_from:
            yield None
            return
        self._carries_from = float("inf")
        try:
            yield CHANNEL
        finally:
            ended = clock()
            self._carries_from = ended + max(_COALESCE_SECONDS, (ended - began) * _REST_AFTER_CARRYING)

    async def aclose(self) -> None:
        """Wait for the notifications under way."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        if (pause := self._sent_at + _COALESCE_SECONDS - loop.time()) > 0:
            await asyncio.sleep(pause)
        # The slot is free before the statement is sent: what happens from here on is told by the next one.
        self._pending = None
        self._sent_at = loop.time()
        with suppress(*UNREACHABLE, asyncpg.PostgresError):
            await self._pool.execute(_NOTIFY, CHANNEL)


async def listen(direct_url: str, wake: Callable[[], None]) -> None:
    """Call `wake` at every notification, until canceled; a connection that is lost or silent is made anew."""
    while True:
        with suppress(*UNREACHABLE, asyncpg.PostgresError, SynclineError):
            await _listen_once(direct_url, wake)
        _logger.warning("the listener lost its connection and comes back; polling goes on meanwhile")
        await asyncio.sleep(1)


async def _listen_once(direct_url: str, wake: Callable[[], None]) -> None:
    connection = await connect(direct_url, name="syncline listen")
    try:
        await connection.add_listener(CHANNEL, lambda *_: wake())
        wake()
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            # A server that was demoted under the connection hears of no notification any more.
            if await connection.fetchval("SELECT pg_is_in_recovery()", timeout=_PROBE_SECONDS):
                raise DatabaseReadOnlyError
    finally:
        with suppress(*UNREACHABLE, asyncpg.PostgresError):
            await connection.close(timeout=1)
