"""Connections to PostgreSQL: pools for statements, and single connections that bypass a pooler."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import asyncpg
import orjson

from app.connectors.options.passwords import SECONDS as PASSWORD_SECONDS
from app.domain.errors import (
    ConfigurationError,
    DatabaseLoginError,
    DatabaseUnreachableError,
    SynclineError,
)
from app.store.address import DatabaseAddress, is_read_again, server_of
from app.store.jsonb import jsonb_text
from app.store.pools import BoundedConnection, BoundedPool, unreachable
from app.store.positions import check_positions
from app.store.sessions import PIN_ALL, PIN_SESSION, PINNED, PINNED_PLANS, UTF8, check_encoding, check_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from app.connectors.options.passwords import PasswordProgram

Begun = TypeVar("Begun")
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

APP_ROLE: Final = "syncline_app"

_CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5

UNREACHABLE: Final = (
    DatabaseUnreachableError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory, disk full
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's error for a connection that broke between two of its own steps
    TimeoutError,
)


def is_refusal(error: Exception) -> bool:
    """Whether the server or the driver refused the values, so that trying again cannot help."""
    return isinstance(error, TypeError | ValueError | asyncpg.UniqueViolationError | asyncpg.DataError)


class MissingRightError(SynclineError):
    """The login lacks a right; the message says which, and what helps."""


@contextmanager
def explaining_missing_rights() -> Iterator[None]:
    """Raise `MissingRightError` where the server denies permission."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise MissingRightError(f"{error}: 'syncline doctor' says what to grant") from error


@asynccontextmanager
async def open_pool(
    address: DatabaseAddress,
    *,
    name: str,
    size: int = 4,
    patience_seconds: float = 0,
    statement_seconds: float | None = 60,
    queue_seconds: float | None = None,
    checks_positions: bool = False,
) -> AsyncIterator[Pool]:
    """Open a pool whose connections have the application's role and the settings of `app.store.sessions`.

    Behind a pooler, role and settings are those of the login, because poolers do not pass start-up parameters on.

    Args:
        address: where the database is.
        name: the `application_name` that the server shows.
        size: the largest number of connections.
        patience_seconds: how long to try if the database does not answer.
        statement_seconds: the timeout of each statement; None for maintenance over a long history.
        queue_seconds: how long a statement waits for a free connection before it raises `DatabaseBusyError`; None waits
            forever.
        checks_positions: whether each new connection is refused if the store has moved to a server with lower
            transaction ids.

    Raises:
        StoreMovedError: it was.
        DatabaseUnreachableError: the database did not answer within `patience_seconds`.
        ConfigurationError: the session's settings, behind a pooler, are not safe for tasks.
    """
    settings = {} if address.pooled else PINNED | PINNED_PLANS | {"idle_in_transaction_session_timeout": "60s"}
    settings |= {"application_name": name, "timezone": "UTC"}

    async def begin() -> BoundedPool:
        role = await _application_role(address, settings)
        return await _open(make(server_settings=settings | ({} if address.pooled else role)))

    asking_seconds = PASSWORD_SECONDS if address.password else 0
    make = partial(
        BoundedPool,
        address.url,
        min_size=1,
        init_size=1,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300,
        connection_class=BoundedConnection,
        record_class=asyncpg.Record,
        connect=partial(_log_in, asked=address.password),
        setup=None,
        loop=None,
        init=partial(_begin_session, pooled=address.pooled, checks_positions=checks_positions),
        reset=_keep,
        command_timeout=statement_seconds,
        statement_cache_size=0 if address.pooled else 100,
        queue_seconds=queue_seconds,
        timeout=(queue_seconds or 60) + asking_seconds,
    )
    may_change = address.password is not None or is_read_again(address.url)
    pool = await _patiently(begin, address.url, patience_seconds, may_change=may_change)
    try:
        yield pool
    finally:
        await _close(pool)


async def _close(pool: BoundedPool) -> None:
    """Close all connections, but do not wait long for a server that has fallen silent."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _open(pool: BoundedPool) -> BoundedPool:
    """Open the first connection, and check its settings."""
    try:
        await pool
        await check_session(pool)
    except BaseException:
        pool.terminate()
        raise
    return pool


async def _application_role(address: DatabaseAddress, settings: Mapping[str, str]) -> dict[str, str]:
    """The application's role as a setting, if the login may use it; a managed server may not have the role."""
    connection = await connect(
        address.direct,
        password=address.password,
        settings={} if address.pooled else settings,
        command_timeout=_CONNECT_SECONDS,
    )
    try:
        may_take = await connection.fetchval(
            "SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = $1", APP_ROLE
        )
    finally:
        await connection.close()
    return {"role": APP_ROLE} if may_take else {}


async def connect(
    direct_url: str,
    *,
    password: PasswordProgram | None = None,
    patience_seconds: float = 0,
    name: str = "syncline",
    settings: Mapping[str, str] = {},
    **options: Any,
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a single connection; `password` is asked for it, if given, and `settings` are its start-up parameters.

    Raises:
        DatabaseUnreachableError: the server did not answer within `patience_seconds`.
        ConfigurationError: the server refuses the user, password or database, it is a pooler, or the database cannot
            hold every text.
    """
    parameters = {"application_name": name, **settings}

    async def begin() -> asyncpg.Connection[asyncpg.Record]:
        timeout = _CONNECT_SECONDS + (PASSWORD_SECONDS if password else 0)
        connection = await _log_in(direct_url, asked=password, timeout=timeout, server_settings=parameters, **options)
        await _pin(connection)
        return connection

    may_change = password is not None or is_read_again(direct_url)
    return await _patiently(begin, direct_url, patience_seconds, may_change=may_change)


async def connect_to_look(
    url: str,
    *,
    name: str,
    seconds: float,
    password: PasswordProgram | None = None,
    settings: Mapping[str, str] = {},
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a single connection to a database in any state, whose settings stay as they are except for `settings`.

    Connecting and each statement take at most `seconds`, and the program that is asked for the `password` its own time.

    Raises:
        DatabaseUnreachableError: the server did not answer.
        ConfigurationError: the server refuses the user, password or database, or it is a pooler and refuses `settings`.
    """

    async def begin() -> asyncpg.Connection[asyncpg.Record]:
        return await _log_in(
            url,
            asked=password,
            timeout=seconds + (PASSWORD_SECONDS if password else 0),
            command_timeout=seconds,
            server_settings={"application_name": name, **settings},
            statement_cache_size=0,
        )

    return await _patiently(begin, url, 0, may_change=False)


async def _log_in(*arguments: Any, asked: PasswordProgram | None, **options: Any) -> asyncpg.Connection[asyncpg.Record]:
    """Connect, with a password that is `asked` for at each login; a refused one is asked for once more.

    Raises:
        DatabaseLoginError: there is no password.
    """
    if asked is None:
        return await asyncpg.connect(*arguments, **options)
    given: list[str] = []

    async def password() -> str:
        try:
            given.append(await asyncio.to_thread(asked.read))
        except SynclineError as error:
            raise DatabaseLoginError(str(error)) from error
        return given[-1]

    try:
        return await asyncpg.connect(*arguments, password=password, **options)
    except asyncpg.InvalidAuthorizationSpecificationError:
        asked.forget(given[-1])
    return await asyncpg.connect(*arguments, password=password, **options)


async def _patiently(
    begin: Callable[[], Awaitable[Begun]], url: str, patience_seconds: float, *, may_change: bool
) -> Begun:
    """Call `begin` until it succeeds or the time is over; it fails while the server is down or starting.

    So it does while the login is refused, if the password `may_change`.
    """
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while True:
        try:
            return await begin()
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            lasting = isinstance(error, asyncpg.InvalidCatalogNameError) or not may_change
            if lasting or asyncio.get_running_loop().time() >= deadline:
                raise ConfigurationError(f"DATABASE_URL: refused by the server: {error}") from error
        except (*UNREACHABLE, KeyError) as error:
            if problem := _problem_here(error):
                raise ConfigurationError(problem) from error
            if isinstance(error, KeyError):
                raise
            # Poolers use this code for most errors, also if the server behind them is down.
            if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in str(error):
                raise ConfigurationError(
                    f"DATABASE_URL: the server at {server_of(url)} is not PostgreSQL itself ({error}): with a "
                    "pooler, set DATABASE_DIRECT_URL to the server's own address, see Poolers in docs/operations.md"
                ) from error
            if asyncio.get_running_loop().time() >= deadline:
                if isinstance(error, DatabaseUnreachableError):
                    raise
                raise unreachable(url, error) from error
        await asyncio.sleep(_PAUSE_SECONDS)


def _problem_here(error: Exception) -> str | None:
    """What is wrong with this process and not with the server, if so: asyncpg looks for a user's name and files."""
    if isinstance(error.__cause__, ConfigurationError):
        return str(error.__cause__)
    # Newer releases of Python raise an OSError from it.
    if "getpwuid" in repr(error) or "getpwuid" in repr(error.__cause__):
        return "DATABASE_URL: has no user, and this process runs as a user without a name: write postgresql://USER@…"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return f"DATABASE_URL: {error}"
    if isinstance(error, PermissionError) and error.filename:
        return f"DATABASE_URL: cannot read {error.filename}: set HOME to another directory"
    return None


async def _pin(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        check_encoding(getattr(connection.get_settings(), "server_encoding", UTF8))
        await connection.execute(PIN_ALL)
    except BaseException:
        connection.terminate()
        raise


async def _keep(_connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Do not reset the connection: no statement changes its state, and a reset costs a round trip."""


async def _begin_session(
    connection: asyncpg.Connection[asyncpg.Record], *, pooled: bool, checks_positions: bool
) -> None:
    if not pooled:
        await connection.execute(PIN_SESSION)
    if checks_positions:
        await check_positions(connection)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=jsonb_text, decoder=orjson.loads)
