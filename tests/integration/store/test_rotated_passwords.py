"""The store's password may change at any time: new connections ask for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from app.api.http.database_state import look_at_database
from app.bootstrap.migrations import migrate
from app.bootstrap.schema_version import head
from app.connectors.options.passwords import PasswordProgram
from app.domain.errors import ConfigurationError, DatabaseLoginError, DatabaseUnreachableError
from app.store.address import DatabaseAddress
from app.store.database import UNREACHABLE, connect, open_pool
from app.store.reads import Reader
from tests.harness import until
from tests.servers.postgres import ROOT, database_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import asyncpg

    from tests.servers.postgres import TcpServer


@dataclass
class Login:
    """A role of the store's; the program prints what is in `file`."""

    role: str
    url: str
    admin: psycopg.Connection
    file: Path

    def rotate(self, *, told: bool = True) -> str:
        """Change the password; the program prints the new one if it is `told`."""
        password = f"password-{uuid.uuid4()}"
        alter = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(self.role), sql.Literal(password))
        self.admin.execute(alter)
        if told:
            self.file.write_text(password)
        return password

    def drop_connections(self) -> None:
        self.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [self.role])

    def program(self, *command: str) -> PasswordProgram:
        words = command or ("cat", str(self.file))
        return PasswordProgram(words, key="DATABASE_PASSWORD_COMMAND", learn=lambda _password: None)

    def address(self, *command: str) -> DatabaseAddress:
        return DatabaseAddress.of(self.url, password=self.program(*command))


@pytest.fixture
def login(database_url: str, tcp_postgres: TcpServer, tmp_path: Path) -> Iterator[Login]:
    database = database_name(database_url)
    role = f"store_{database}"
    url = f"postgresql://{role}@{tcp_postgres['host']}:{tcp_postgres['port']}/{database}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(role)))
        yield Login(role, url, admin, tmp_path / "password")
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


async def test_new_connections_of_a_pool_ask_anew(login: Login) -> None:
    login.rotate()
    async with open_pool(login.address(), name="test", size=8) as pool:
        for _ in range(3):
            login.rotate()
            login.drop_connections()

            async def answers() -> bool:
                try:
                    return await pool.fetchval("SELECT true") is True
                except UNREACHABLE:
                    return False  # the one that was cut off

            await until(answers)
            assert await asyncio.gather(*(pool.fetchval("SELECT pg_sleep(0.05)::text") for _ in range(8))) == [""] * 8


async def test_a_refused_login_is_an_outage_that_says_so_and_ends(login: Login) -> None:
    login.rotate()
    async with open_pool(login.address(), name="test", size=1) as pool:
        new = login.rotate(told=False)
        login.drop_connections()
        with capture_logs() as logs:
            await until(lambda: _is_in_state(pool, "refused"))
            with pytest.raises(DatabaseLoginError, match="refused by the server: password authentication failed"):
                await pool.fetchval("SELECT 1")
        assert [entry["event"] for entry in logs] == ["database.login_refused"]
        login.file.write_text(new)
        await until(lambda: _is_in_state(pool, "ok"))


async def _is_in_state(pool: asyncpg.Pool[asyncpg.Record], state: str) -> bool:
    return (await look_at_database(Reader(pool))).database == state


async def test_a_program_that_fails_while_a_pool_runs_is_an_outage_too(login: Login) -> None:
    login.rotate()
    async with open_pool(login.address(), name="test", size=1) as pool:
        password = login.file.read_text()
        login.file.unlink()
        login.rotate(told=False)
        login.drop_connections()
        await until(lambda: _is_in_state(pool, "refused"))
        with pytest.raises(DatabaseLoginError, match="DATABASE_PASSWORD_COMMAND: 'cat' exited with code 1") as caught:
            await pool.fetchval("SELECT 1")
        assert password not in str(caught.value)
        login.rotate()
        await until(lambda: _is_in_state(pool, "ok"))


async def test_a_single_connection_asks_too_and_once_more_if_it_is_refused(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = [login.rotate().encode(), login.rotate().encode()]
    monkeypatch.setattr(PasswordProgram, "_run", lambda _self: printed.pop(0))
    connection = await connect(login.url, password=login.program())
    assert await connection.fetchval("SELECT current_user") == login.role
    await connection.close()
    assert printed == []


async def test_at_the_start_a_password_that_is_not_there_yet_is_waited_for(login: Login) -> None:
    login.file.write_text("outdated-password")
    login.rotate(told=False)
    opening = asyncio.create_task(connect(login.url, password=login.program(), patience_seconds=60))
    await asyncio.wait([opening], timeout=0)
    login.rotate()
    await (await opening).close()


async def test_at_the_start_a_password_in_the_drivers_own_file_is_waited_for(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGPASSFILE", raising=False)
    passfile = tmp_path / ".pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text("*:*:*:*:outdated-password")
    login.rotate()
    refused = asyncio.Event()

    async def refuse(_seconds: float) -> None:
        refused.set()
        passfile.write_text(f"*:*:*:*:{login.file.read_text()}")

    monkeypatch.setattr("app.store.database.asyncio.sleep", refuse)
    connection = await connect(login.url, patience_seconds=60)
    await connection.close()
    assert refused.is_set()


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        (["no-such-program"], ConfigurationError, "DATABASE_PASSWORD_COMMAND: cannot start 'no-such-program'"),
        (["false"], DatabaseUnreachableError, "DATABASE_PASSWORD_COMMAND: 'false' exited with code 1"),
        (["echo", "wrong"], ConfigurationError, "DATABASE_URL: refused by the server: password authentication"),
    ],
)
async def test_at_the_start_it_is_one_error(login: Login, command: list[str], kind: type, message: str) -> None:
    login.rotate()
    with pytest.raises(kind, match=message):
        async with open_pool(login.address(*command), name="test"):
            pass
    if command != ["echo", "wrong"]:
        with pytest.raises(kind, match=message):
            await asyncio.to_thread(migrate, login.url, password=login.program(*command))


async def test_migrations_ask_too(login: Login) -> None:
    login.rotate()
    await asyncio.to_thread(migrate, login.url, password=login.program())


def test_alembic_on_its_own_asks_too(login: Login) -> None:
    login.rotate()
    environment = os.environ | {
        "DATABASE_URL": login.url,
        "DATABASE_DIRECT_URL": "",
        "DATABASE_PASSWORD_COMMAND": f"cat {login.file}",
    }
    command = [sys.executable, "-m", "alembic", "current"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"{head()} (head)" in done.stdout, done.stderr


@pytest.mark.parametrize("url", ["postgresql://u:hunter22@h/d", "postgresql://u@h/d?password=hunter22"])
def test_a_url_with_a_password_cannot_be_combined_with_a_program(url: str) -> None:
    program = PasswordProgram(["x"], key="DATABASE_PASSWORD_COMMAND", learn=lambda _password: None)
    for given in ((url, None), ("postgresql://u@h/d", url)):
        with pytest.raises(ConfigurationError, match="has a password, and cannot be combined") as caught:
            DatabaseAddress.of(*given, password=program)
        assert "hunter22" not in str(caught.value)
