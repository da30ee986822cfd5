"""Wakes idle processes with NOTIFY on one channel: the first notification at once, later ones every few milliseconds.

A commit with NOTIFY takes a lock on the whole server, so notifications are coalesced. They may get lost, so listeners
poll as well.
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

    from app.connectors.options.passwords import PasswordProgram
    from app.store.database import Pool

CHANNEL: Final = "syncline"
_COALESCE_SECONDS: Final = 0.005
# A notification that is lost in a crash does no harm, so its transaction does not wait for the disk.
_NOTIFY: Final = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')"
# How long to wait after a statement with a notification, as a multiple of its duration.
_PAUSE_FACTOR: Final = 9
_PROBE_SECONDS: Final = 15.0
_RECONNECT_SECONDS: Final = 1.0

_logger = structlog.get_logger("syncline.notify")


class Notifier:
    """Tells all listeners that there is something to do. If a notification is lost, they find it at their next poll."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._pending: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._sent_at = float("-inf")
        self._lends_from = float("-inf")

    def notify(self) -> None:
        """Send a notification in the background, at least a few milliseconds after the one before."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.get_running_loop().create_task(self._send())
            self._sending.add(self._pending)
            self._pending.add_done_callback(self._sending.discard)

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[str | None]:
        """Lend the channel to a statement, so that listeners are notified by its own commit; None if it is taken.

        A commit that notifies blocks all other such commits until it is on disk. So only one statement at a time has
        the channel, and statements with it take at most a tenth of the time.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        if self._pending is not None or began < self._lends_from:
            yield None
            return
        self._lends_from = float("inf")
        try:
            yield CHANNEL
        finally:
            ended = clock()
            self._lends_from = ended + max(_COALESCE_SECONDS, (ended - began) * _PAUSE_FACTOR)

    async def aclose(self) -> None:
        """Wait for notifications that are being sent."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        if (pause := self._sent_at + _COALESCE_SECONDS - loop.time()) > 0:
            await asyncio.sleep(pause)
        # Cleared before the statement is sent: whatever happens from here on needs another notification.
        self._pending = None
        self._sent_at = loop.time()
        with suppress(*UNREACHABLE, asyncpg.PostgresError):
            await self._pool.execute(_NOTIFY, CHANNEL)


async def listen(direct_url: str, wake: Callable[[], None], *, password: PasswordProgram | None = None) -> None:
    """Call `wake` for every notification, until canceled. Reconnects if the connection is lost or stops answering."""
    while True:
        with suppress(*UNREACHABLE, asyncpg.PostgresError, SynclineError):
            await _listen_once(direct_url, wake, password)
        _logger.warning("listener.disconnected", again_in_seconds=_RECONNECT_SECONDS)
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _listen_once(direct_url: str, wake: Callable[[], None], password: PasswordProgram | None) -> None:
    connection = await connect(direct_url, password=password, name="syncline listen", command_timeout=_PROBE_SECONDS)
    try:
        await connection.add_listener(CHANNEL, lambda *_: wake())
        wake()
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            # A server that became a standby delivers no more notifications.
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                raise DatabaseReadOnlyError
    finally:
        with suppress(*UNREACHABLE, asyncpg.PostgresError):
            await connection.close(timeout=1)
