"""A refused login is tried again with a new password where there may be one, and is lasting where there is none."""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
import redis
from psycopg import sql

from app.connectors.contract import blame
from app.connectors.destinations.dlt.options import DltDestinationOptions
from app.connectors.destinations.dlt.warehouse import Warehouse
from app.connectors.destinations.parquet.storage import ObjectStorage
from app.connectors.destinations.postgres.connection import connect
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.dlt.runtime import translate_errors
from app.connectors.sources.files.storage import Storage
from app.connectors.sources.redis.client import Client
from app.connectors.sources.redis.options import RedisOptions
from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.options import SqlOptions
from app.domain.errors import ConfigurationError, LoginRefusedError, SynclineError
from tests.servers.redis import MISSING, PASSWORD, PROGRAM, running_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.connectors.options.types import Options
    from app.domain.attempt_protocol import Level
    from tests.servers.postgres import TcpServer


class Learning:
    """A log that knows what it has to mask."""

    def __init__(self) -> None:
        self.secrets: list[str] = []

    def __call__(self, level: Level, message: str) -> None: ...

    def mask(self, secret: str) -> None:
        self.secrets.append(secret)


@dataclass
class Server:
    """A login whose password changes, at a server of any kind; the program prints what is in `file`."""

    options: Callable[..., Options]
    log_in: Callable[[Any, Learning], None]
    rotate: Callable[[str], None]
    file: Path

    def rotated(self) -> str:
        """A password that the server takes and the program does not print yet."""
        password = f"password {uuid.uuid4()}"
        self.rotate(password)
        return password

    def through_program(self) -> Options:
        return self.options(password_command=["cat", str(self.file)])


@contextmanager
def role(server: TcpServer) -> Iterator[tuple[str, Callable[[str], None]]]:
    """The name of a role, and what changes its password."""
    name = f"rotating_{uuid.uuid4().hex}"
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as admin:

        def rotate(password: str) -> None:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
            admin.execute(statement)

        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name, rotate
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def postgres_destination(directory: Path, server: TcpServer) -> Iterator[Server]:
    def log_in(options: PostgresDestinationOptions, log: Learning) -> None:
        connect(options, application_name="test", log=log).close()

    with role(server) as (name, rotate):
        address = {"host": server["host"], "port": server["port"], "user": name, "database": "postgres"}
        yield Server(
            lambda **given: PostgresDestinationOptions.model_validate(address | given),
            log_in,
            rotate,
            directory / "password",
        )


@contextmanager
def sql_source(directory: Path, server: TcpServer) -> Iterator[Server]:
    with role(server) as (name, rotate):

        def options(password: str | None = None, **given: Any) -> Options:
            login = name if password is None else f"{name}:{quote(password)}"
            url = f"postgresql://{login}@{server['host']}:{server['port']}/postgres"
            return SqlOptions.model_validate({"url": url} | given)

        def log_in(options: SqlOptions, log: Learning) -> None:
            with Database(options, work_dir=directory, log=log).snapshot():
                pass

        yield Server(options, log_in, rotate, directory / "password")


@contextmanager
def redis_source(directory: Path, _server: TcpServer) -> Iterator[Server]:
    if PROGRAM is None:
        pytest.skip(MISSING)
    with (
        running_redis(directory) as path,
        redis.Redis(unix_socket_path=str(path), password=PASSWORD) as admin,
    ):

        def options(password: str | None = None, **given: Any) -> Options:
            login = "reader" if password is None else f"reader:{quote(password)}"
            return RedisOptions.model_validate({"url": f"unix://{login}@{path}"} | given)

        def rotate(password: str) -> None:
            admin.acl_setuser(
                "reader", enabled=True, passwords=[f"+{password}"], reset_passwords=True, commands=["+ping"]
            )

        def log_in(options: RedisOptions, log: Learning) -> None:
            client = Client(options, log=log)
            with closing(client.commands), client.connected("cannot read"):
                assert client.commands.ping()

        yield Server(options, log_in, rotate, directory / "password")


@pytest.fixture(params=[postgres_destination, sql_source, redis_source], ids=lambda made: made.__name__)
def server(request: pytest.FixtureRequest, tmp_path: Path, tcp_postgres: TcpServer) -> Iterator[Server]:
    with request.param(tmp_path, tcp_postgres) as made:
        yield made


def test_a_program_is_asked_for_each_connection_and_its_password_is_masked(server: Server) -> None:
    log = Learning()
    for _ in range(2):
        server.file.write_text(server.rotated())
        server.log_in(server.through_program(), log)
        assert log.secrets[-1] == server.file.read_text()


def test_a_password_that_changes_under_way_is_asked_for_once_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had changed between the program's answer and the login."""
    before, now = server.rotated(), server.rotated()
    printed = [before.encode(), now.encode()]
    monkeypatch.setattr("app.connectors.options.passwords.PasswordProgram._run", lambda _self: printed.pop(0))
    log = Learning()
    server.log_in(server.through_program(), log)
    assert log.secrets == [before, now]


def test_a_program_that_prints_a_wrong_password_may_print_another_one_later(server: Server) -> None:
    server.rotated()
    server.file.write_text("outdated-password")
    with pytest.raises(LoginRefusedError) as caught:
        server.log_in(server.through_program(), Learning())
    assert "outdated-password" not in str(caught.value)


def test_a_program_that_fails_is_another_error_than_a_refused_login(server: Server) -> None:
    with pytest.raises(SynclineError, match="password_command: 'cat' exited with code 1") as caught:
        server.log_in(server.through_program(), Learning())
    assert type(caught.value) is SynclineError


def test_a_fixed_password_is_refused_for_good(server: Server) -> None:
    outdated = server.rotated()
    server.log_in(server.options(password=outdated), Learning())
    server.rotated()
    with pytest.raises(ConfigurationError):
        server.log_in(server.options(password=outdated), Learning())


def test_a_password_from_a_file_may_be_another_one_at_the_next_attempt(server: Server) -> None:
    outdated = server.rotated()
    server.rotated()
    with pytest.raises(LoginRefusedError):
        server.log_in(server.options(password=outdated).taken_from_files(), Learning())


@pytest.mark.parametrize("is_named", [True, False])
def test_libpqs_own_file_of_passwords_may_change_too(
    tmp_path: Path, tcp_postgres: TcpServer, monkeypatch: pytest.MonkeyPatch, *, is_named: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:outdated")
    passfile.chmod(0o600)
    with role(tcp_postgres) as (name, rotate):
        rotate("another-password")
        host, port = tcp_postgres["host"], tcp_postgres["port"]
        end = f"?passfile={passfile}" if is_named else ""
        given = {"url": f"postgresql://{name}@{host}:{port}/postgres{end}"}
        with pytest.raises(LoginRefusedError):
            connect(PostgresDestinationOptions.model_validate(given), application_name="test", log=Learning())
        database = Database(SqlOptions.model_validate(given), work_dir=tmp_path, log=Learning())
        with pytest.raises(LoginRefusedError), database.snapshot():
            pass


@contextmanager
def of_files(directory: Path, *, may_change: bool) -> Iterator[None]:
    with Storage([], {}, work_dir=directory, may_change=may_change).translate_errors("a.csv"):
        yield


@contextmanager
def of_parquet(_directory: Path, *, may_change: bool) -> Iterator[None]:
    with ObjectStorage(None, "s3://lake", secrets=[], may_change=may_change)._translate_errors("cannot read"):
        yield


@contextmanager
def of_dlt(_directory: Path, *, may_change: bool) -> Iterator[None]:
    with translate_errors("cannot commit", config={}, permanent=True, may_change=may_change):
        yield


@pytest.mark.parametrize(
    ("translated", "error"),
    [
        (of_files, PermissionError("Forbidden")),
        (of_parquet, PermissionError("Forbidden")),
        (of_dlt, RuntimeError("password authentication failed for user")),
    ],
    ids=["files", "parquet", "dlt"],
)
def test_what_libraries_log_in_to_is_no_exception(translated: Any, error: Exception, tmp_path: Path) -> None:
    for may_change, kind in ((True, LoginRefusedError), (False, ConfigurationError)):
        with pytest.raises(kind), translated(tmp_path, may_change=may_change):
            raise error


def test_attempts_before_and_after_a_rotation_wait_for_each_other_at_a_dlt_destination(tmp_path: Path) -> None:
    def lock(password: str, user: str = "loader") -> Path:
        credentials = f"postgresql://{user}:{password}@h/d"
        given = {"type": "dlt:postgres", "dataset": "loaded", "credentials": credentials}
        return Warehouse(DltDestinationOptions.model_validate(given), home=tmp_path, locks=tmp_path)._lock

    assert lock("password-before") == lock("password-after")
    assert lock("password-before") != lock("password-before", user="another")


def test_of_several_errors_a_refused_login_can_be_mended() -> None:
    errors = [ConfigurationError("a"), LoginRefusedError("b"), SynclineError("c")]
    assert isinstance(blame.joined(errors), LoginRefusedError)
    assert isinstance(blame.joined(errors, subject="s"), LoginRefusedError)
    assert type(blame.joined([errors[0], errors[2]])) is SynclineError
