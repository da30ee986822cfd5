"""The settings of the store's sessions, whatever the database says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg
import psycopg
import pytest
import structlog
from psycopg import sql

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.domain.errors import ConfigurationError, DatabaseUnreachableError
from app.store import database
from app.store.address import DatabaseAddress, server_of
from app.store.database import connect, open_pool
from app.store.sessions import check_session
from tests.harness import opened, until
from tests.servers.postgres import create_database, database_name, drop_database, migrate
from tests.servers.proxy import proxied
from tests.servers.several_hosts import FORMS, first_one_away

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from app.store.database import Connection, Pool
    from tests.servers.postgres import TcpServer

TLS_REQUEST: Final = (80877103).to_bytes(4)
UNSUPPORTED: Final = b"08P01\0Munsupported startup parameter: lock_timeout"
AWAY: Final = b"08P01\0Mserver login has been failing, try again later (server_login_retry)"
HOSTILE = {
    "default_transaction_isolation": "serializable",
    "statement_timeout": "7s",
    "lock_timeout": "6s",
    "idle_session_timeout": "1h",
    "synchronous_commit": "off",
}
PINNED = {
    "transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "synchronous_commit": "on",
}


def set_database(url: str, **settings: str) -> None:
    """Settings that every new session of the database begins with."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(
                statement.format(sql.Identifier(database_name(url)), sql.Identifier(name), sql.Literal(value))
            )


def hostile(url: str) -> dict[str, str]:
    """The settings of a database that was made for other services, and what they must be in spite of that."""
    with psycopg.connect(url) as connection:
        knows_transaction_timeout = connection.info.server_version >= 170000
    more = {"transaction_timeout": "5s"} if knows_transaction_timeout else {}
    set_database(url, **HOSTILE, **more)
    return PINNED | dict.fromkeys(more, "0")


async def settings_of(
    connection: Connection | asyncpg.Connection[asyncpg.Record], names: dict[str, str]
) -> dict[str, str]:
    return {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}


def pooled(url: str) -> DatabaseAddress:
    """The address of a database that start-up parameters do not reach, as behind a pooler."""
    return DatabaseAddress(url=f"{url}{'&' if '?' in url else '?'}application_name=pooled", direct=url)


async def test_the_pool_s_sessions_do_not_depend_on_the_settings_of_the_database(database_url: str) -> None:
    wanted = hostile(database_url)
    async with opened(database_url) as pool, pool.acquire() as connection:
        assert await settings_of(connection, wanted) == wanted


async def test_a_connection_of_its_own_does_not_either(database_url: str) -> None:
    wanted = hostile(database_url)
    connection = await connect(database_url)
    try:
        assert await settings_of(connection, wanted) == wanted
    finally:
        await connection.close()


def test_migrations_do_not_either(empty_database_url: str) -> None:
    wanted = hostile(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as admin:
        admin.execute("CREATE TABLE public.seen (name text PRIMARY KEY, setting text)")
        admin.execute(
            "CREATE FUNCTION public.look() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO public.seen SELECT name, setting FROM pg_settings ON CONFLICT DO NOTHING; END $$"
        )
        admin.execute("CREATE EVENT TRIGGER look ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA') "
                      "EXECUTE FUNCTION public.look()")  # fmt: skip
        migrate(empty_database_url)
        seen: dict[str, str] = dict(
            admin.execute("SELECT name, setting FROM public.seen WHERE name = ANY(%s)", [list(wanted)])
        )
    assert seen == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
async def test_a_commit_waits_for_the_disk_at_least(database_url: str, given: str, wanted: str) -> None:
    set_database(database_url, synchronous_commit=given)
    async with opened(database_url) as pool:
        assert await pool.fetchval("SHOW synchronous_commit") == wanted


@pytest.mark.parametrize("before", ["on", "remote_apply"])
async def test_a_change_of_the_server_s_configuration_does_not_reach_open_sessions(tmp_path: Path, before: str) -> None:
    with EmbeddedPostgres(tmp_path / "pg", durable=True) as server:

        def configure(**settings: str) -> None:
            with psycopg.connect(server.url, autocommit=True) as admin:
                for name, value in settings.items():
                    admin.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
                admin.execute("SELECT pg_reload_conf()")

        configure(synchronous_commit=before, work_mem="5MB")
        own = await connect(server.url)
        try:
            async with opened(server.url) as pool, pool.acquire() as connection:
                for session in (own, connection):
                    await until(partial(has_setting, session, "work_mem", "5MB"))
                configure(synchronous_commit="off", statement_timeout="7s", transaction_timeout="8s", work_mem="6MB")
                for session in (own, connection):
                    await until(partial(has_setting, session, "work_mem", "6MB"))
                    pinned = {"synchronous_commit": before, "statement_timeout": "0", "transaction_timeout": "0"}
                    assert await settings_of(session, pinned) == pinned
        finally:
            await own.close()


async def has_setting(session: Connection | asyncpg.Connection[asyncpg.Record], name: str, value: str) -> bool:
    """A session takes a new configuration between two statements, a moment after the server was told to read it."""
    return bool(await session.fetchval("SELECT current_setting($1) = $2", name, value))


@pytest.mark.parametrize(
    ("setting", "value", "needed"),
    [
        ("synchronous_commit", "off", "on"),
        ("synchronous_commit", "remote_write", "on"),
        ("default_transaction_isolation", "repeatable read", "read committed"),
    ],
)
async def test_a_pooler_s_sessions_with_which_tasks_are_not_safe_are_refused(
    database_url: str, setting: str, value: str, needed: str
) -> None:
    set_database(database_url, **({"synchronous_commit": "on"} | {setting: value}))
    with psycopg.connect(database_url) as connection:
        login = connection.info.user
    with pytest.raises(ConfigurationError) as refused:
        async with open_pool(pooled(database_url), name="test"):
            pass
    mend = f"ALTER ROLE {login} IN DATABASE {database_name(database_url)} SET {setting} = '{needed}'"
    assert str(refused.value) == (
        f"DATABASE_URL: tasks are not safe with {setting} = '{value}': run {mend}; then let the pooler open new "
        "connections (pgbouncer: RECONNECT)"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(mend.encode())
    try:
        async with open_pool(pooled(database_url), name="test") as pool:
            assert await pool.fetchval("SELECT current_setting($1)", setting) == needed
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(mend.partition(" SET ")[0].encode() + b" RESET ALL")


async def test_a_pooler_s_sessions_that_cut_long_statements_off_are_told(database_url: str) -> None:
    set_database(database_url, statement_timeout="30s", synchronous_commit="remote_apply")
    with structlog.testing.capture_logs() as logs:
        async with open_pool(pooled(database_url), name="test") as pool:
            assert await pool.fetchval("SELECT 1") == 1
    [warning] = logs
    assert (warning["event"], warning["log_level"]) == ("database.misconfigured", "warning")
    assert warning["error"].startswith("long statements are aborted: statement_timeout = '30s': run ALTER ROLE ")


@asynccontextmanager
async def pooler(*answers: bytes) -> AsyncIterator[str]:
    """The URL of what refuses start-up parameters as pgbouncer does, and everybody else as an unknown user.

    Before that it gives `answers`, one to each who comes.
    """
    left = list(answers)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (header := await reader.readexactly(8))[4:] == TLS_REQUEST:
            writer.write(b"N")
        parameters = await reader.readexactly(int.from_bytes(header[:4]) - 8)
        refused = UNSUPPORTED if b"lock_timeout" in parameters else b"28000\0Mno"
        error = b"SFATAL\0C" + (left.pop(0) if left else refused) + b"\0\0"
        writer.write(b"E" + (len(error) + 4).to_bytes(4) + error)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"postgresql://u:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/d"


async def test_a_pooler_in_place_of_the_server_is_recognised_and_the_way_round_it_is_named() -> None:
    async with pooler() as url:
        with pytest.raises(ConfigurationError) as refused:
            async with open_pool(DatabaseAddress.of(url), name="test"):
                pass
    assert str(refused.value) == (
        f"DATABASE_URL: the server at {server_of(url)} is not PostgreSQL itself (unsupported startup parameter: "
        "lock_timeout): with a pooler, set DATABASE_DIRECT_URL to the server's own address, see Poolers in "
        "docs/operations.md"
    )


async def test_the_way_round_a_pooler_may_be_one_in_session_mode() -> None:
    async with pooler() as url:
        with pytest.raises(ConfigurationError, match="refused by the server: no"):
            await connect(url)
        with pytest.raises(ConfigurationError, match="refused by the server: no"):
            async with open_pool(pooled(url), name="test"):
                pass


async def test_a_pooler_whose_server_is_away_is_asked_again() -> None:
    async with pooler(AWAY, AWAY) as url:
        with pytest.raises(ConfigurationError, match="refused by the server: no"):
            await connect(url, patience_seconds=60)
    async with pooler(AWAY) as url:
        with pytest.raises(DatabaseUnreachableError) as raised:
            await connect(url)
    assert str(raised.value) == (
        f"cannot connect to PostgreSQL at {server_of(url)}: server login has been failing, try again later "
        "(server_login_retry)"
    )


async def test_a_connection_that_cannot_be_set_is_closed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PIN_ALL", "SELECT pg_advisory_lock(1); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError) as raised:
        await connect(database_url)
    async with await psycopg.AsyncConnection.connect(database_url, options="-c lock_timeout=10s") as another:
        await another.execute("SELECT pg_advisory_lock(1)")  # free as soon as the session has ended
    assert raised.value.sqlstate == "22012", "whoever has the error does not keep the connection"


@pytest.mark.parametrize("form", FORMS)
async def test_of_several_servers_every_driver_finds_the_one_that_is_there(
    form: str, tcp_postgres: TcpServer, empty_database_url: str
) -> None:
    name = database_name(empty_database_url)
    with first_one_away(form, tcp_postgres, name) as url:
        address = DatabaseAddress.of(url)
        await asyncio.to_thread(migrate, address.direct)
        async with open_pool(address, name="test") as pool:
            assert await pool.fetchval("SELECT current_database()") == name
        async with await psycopg.AsyncConnection.connect(address.url) as connection:
            assert connection.info.dbname == name


async def test_a_refused_connection_is_named_in_plain_words(database_url: str, tcp_postgres: TcpServer) -> None:
    async with AsyncExitStack() as stack:
        async with proxied(database_url, tcp_postgres) as (url, proxy):
            pool = await stack.enter_async_context(open_pool(DatabaseAddress.of(url), name="test"))
            proxy.cut()
        refused = f"cannot connect to PostgreSQL at {server_of(url)}: connection refused"
        with pytest.raises(DatabaseUnreachableError) as raised:
            await connect(url)
        assert str(raised.value) == refused
        await pool.expire_connections()
        with pytest.raises(DatabaseUnreachableError) as raised:
            await pool.fetchval("SELECT 1")
        assert str(raised.value) == refused


async def test_a_server_that_goes_away_while_a_pool_is_opened_is_asked_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    async def look(pool: Pool) -> None:
        looks.append(pool)
        if len(looks) == 1:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        await check_session(pool)

    monkeypatch.setattr(database, "check_session", look)
    address = DatabaseAddress.of(database_url)
    with pytest.raises(DatabaseUnreachableError, match="closed in the middle"):
        async with open_pool(address, name="test"):
            pass
    looks.clear()
    async with open_pool(address, name="test", patience_seconds=10) as pool:
        assert await pool.fetchval("SELECT 1") == 1
    assert len(looks) == 2


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def database_that_is_not_utf8(request: pytest.FixtureRequest, postgres_server_url: str) -> Iterator[tuple[str, str]]:
    """Its encoding and its URL."""
    url = create_database(postgres_server_url, encoding=request.param)
    yield request.param, url
    drop_database(url, server_url=postgres_server_url)


async def test_a_database_that_is_not_utf8_is_refused_with_the_remedy(
    database_that_is_not_utf8: tuple[str, str],
) -> None:
    encoding, url = database_that_is_not_utf8
    complaint = f"the database has the encoding {encoding} and must have UTF8: .* ENCODING 'UTF8' LOCALE 'C' TEMPLATE"
    with pytest.raises(ConfigurationError, match=complaint):
        migrate(url)
    for address in (DatabaseAddress.of(url), pooled(url)):
        with pytest.raises(ConfigurationError, match=complaint):
            async with open_pool(address, name="syncline test"):
                pass
    with pytest.raises(ConfigurationError, match=complaint):
        await connect(url)


async def test_what_the_driver_does_not_understand_is_a_mistake_of_the_url() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL: No such TLS version: bogus"):
        await connect("postgresql://me@127.0.0.1:1/db?ssl_min_protocol_version=bogus")


# As asyncpg sees it: the modules are loaded by a user who may read them.
NAMELESS: Final = """
import asyncio, os, sys
import sqlalchemy.engine  # another user may not read the directory that it is in
from app.domain.errors import ConfigurationError
from app.store.database import connect
os.setresuid(54321, 54321, 54321)
try:
    asyncio.run(connect(sys.argv[1]))
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("url", "home", "complaint"),
    [
        (
            "postgresql://localhost:1/db",
            "/nowhere",
            "DATABASE_URL: has no user, and this process runs as a user without a name: write postgresql://USER@…\n",
        ),
        (
            "postgresql://me@localhost:1/db?sslmode=prefer",
            "{home}",
            "DATABASE_URL: cannot read {home}/.postgresql/postgresql.key: set HOME to another directory\n",
        ),
    ],
)
def test_a_user_without_a_name_or_a_home_is_told_what_to_do(
    tmp_path: Path, url: str, home: str, complaint: str
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    environment = {"HOME": home.format(home=closed)}
    finished = subprocess.run(
        [sys.executable, "-c", NAMELESS, url], env=environment, capture_output=True, text=True, check=False
    )
    assert (finished.stdout, finished.stderr) == (complaint.format(home=closed), "")
