"""asyncpg's pool, with bounds for the waits that have none and for what a failover leaves behind."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import structlog

from app.causes import describe_error
from app.domain.errors import (
    DatabaseBusyError,
    DatabaseLoginError,
    DatabaseReadOnlyError,
    DatabaseUnreachableError,
    StoreMovedError,
)
from app.store.address import server_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_EXPIRY_SECONDS: Final = 1.0
_TELL_SECONDS: Final = 10.0

_logger = structlog.get_logger("syncline.database")


def unreachable(url: str, error: BaseException) -> DatabaseUnreachableError:
    return DatabaseUnreachableError(f"cannot connect to PostgreSQL at {server_of(url)}: {describe_error(error)}")


class BoundedConnection(asyncpg.Connection):
    """asyncpg's connection, with a timeout for the step that has none."""

    async def _cleanup_stmts(self) -> None:
        """Close evicted prepared statements within the command timeout, which the driver does not apply to this."""
        async with asyncio.timeout(self._config.command_timeout):  # type: ignore[attr-defined]
            await super()._cleanup_stmts()  # type: ignore[misc]


class BoundedPool(asyncpg.Pool):
    """asyncpg's pool with a bound on the wait for a connection, also in methods such as `fetch`.

    After a failover, connections may still lead to the former primary. The first statement that finds it read-only
    expires all connections, so that the next ones connect again. The same goes for a store that was replaced by another
    server's under open connections.
    """

    def __init__(self, url: str, *, queue_seconds: float | None, **options: Any) -> None:
        super().__init__(url, **options)
        self.url = url
        self._queue_seconds = queue_seconds
        self._expired_at = self._told_at = float("-inf")
        self.taken = 0
        """The number of connections that are in use or waited for."""

    def acquire(self, *, timeout: float | None = None) -> Any:
        """All methods of the pool get their connection here."""
        return _Acquisition(self, super().acquire(timeout=timeout), self._queue_seconds)

    def tell_of_refusal(self, error: Exception) -> None:
        """Log why the login fails, but not for each of many requests."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            _logger.error("database.login_refused", error=str(error))

    async def leave_server(self) -> None:
        """Expire all connections, but at most once a second, because many requests may ask for it."""
        now = asyncio.get_running_loop().time()
        if now - self._expired_at >= _EXPIRY_SECONDS:
            self._expired_at = now
            await self.expire_connections()


class _Acquisition:
    """Acquires a connection of the pool within `seconds` (None waits forever), and releases it.

    A cancellation lasts. If the connection is lost meanwhile, the driver cannot roll back or give it back, and its
    error takes the place of the cancellation: a loop that goes on after errors, and is canceled once, would never end.
    """

    __slots__ = ("_acquisition", "_canceled_before", "_connection", "_pool", "_seconds")

    def __init__(self, pool: BoundedPool, acquisition: Awaitable[Connection], seconds: float | None) -> None:
        self._pool = pool
        self._acquisition = acquisition
        self._seconds = seconds
        self._canceled_before = 0

    async def __aenter__(self) -> Connection:
        self._pool.taken += 1
        self._canceled_before = _cancellations()
        try:
            self._connection = await self._acquire_in_time()
        except BaseException:
            self._pool.taken -= 1
            raise
        return self._connection

    async def __aexit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        read_only = isinstance(failure, asyncpg.ReadOnlySQLTransactionError | DatabaseReadOnlyError)
        try:
            if read_only or isinstance(failure, StoreMovedError):
                await self._pool.leave_server()
            # After a failure, the driver may first have to cancel the statement on the server.
            await self._pool.release(self._connection, timeout=self._seconds if failure else None)
        except Exception as error:
            self._pass_cancellation_on(error)
            raise
        finally:
            self._pool.taken -= 1
        if isinstance(failure, Exception):
            self._pass_cancellation_on(failure)
        if read_only:
            raise DatabaseReadOnlyError from failure

    def _pass_cancellation_on(self, error: Exception) -> None:
        if _cancellations() > self._canceled_before:
            raise asyncio.CancelledError from error

    async def _acquire_in_time(self) -> Connection:
        # While one is free, a timer would cost more than all the rest.
        bounded = self._seconds is not None and self._pool.taken > self._pool.get_max_size()
        try:
            async with asyncio.timeout(self._seconds) if bounded else nullcontext():
                return await self._acquisition
        except OSError as error:
            if bounded and isinstance(error, TimeoutError) and self._pool.get_size() == self._pool.get_max_size():
                raise DatabaseBusyError("all database connections are busy") from None
            raise unreachable(self._pool.url, error) from error
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            self._pool.tell_of_refusal(error)
            raise DatabaseLoginError(f"refused by the server: {error}") from error
        except DatabaseLoginError as error:
            self._pool.tell_of_refusal(error)
            raise


def _cancellations() -> int:
    """How often the running task was canceled; an expired `asyncio.timeout` takes its own back."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0
