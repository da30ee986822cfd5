"""The PostgreSQL server of a session of tests: TEST_DATABASE_URL, else Docker, else embedded; and databases on it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import unquote, urlsplit

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.bootstrap.embedded_postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testcontainers.community.postgres import PostgresContainer

ROOT = Path(__file__).parents[2]
IMAGE = "postgres:18-alpine"
MEMORY = Path("/dev/shm")  # noqa: S108 - only ever a fresh private directory in it
MEMORY_BYTES = 1024**3
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")

# Deletes the directory when its standard input ends, as it does whatever way the test session goes, and the server
# that ends with the session has left it (a server that was killed leaves its pid file: waited for 10 seconds).
_SWEEPER = """
cat >/dev/null
tries=0
while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$1"
"""


class TcpServer(TypedDict):
    """What a program needs that cannot use a Unix socket."""

    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server on which tests may make databases; `tcp` is None where it listens on a Unix socket only."""

    url: str
    tcp: TcpServer | None


@contextmanager
def running_server() -> Iterator[Server]:
    """The server that the environment asks for, or the first of the chain that this machine can have."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield Server(url=url, tcp=_tcp_of(url))
    elif (container := _started_container()) is not None:
        with _stopping(container) as url:
            yield Server(url=url, tcp=_tcp_of(url))
    else:
        with _embedded() as server:
            yield server


def create_database(server_url: str, *, template: str | None = None, encoding: str | None = None) -> str:
    """Makes a database of a new name, empty or a copy of the one that the URL *template* names, and returns its URL."""
    name = f"syncline_test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            origin = sql.Identifier(database_name(template))
            statement += sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(origin)
        if encoding is not None:
            statement += sql.SQL(" ENCODING {} LOCALE 'C' TEMPLATE template0").format(sql.Literal(encoding))
        connection.execute(statement)
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


def drop_database(url: str, *, server_url: str) -> None:
    """Removes the database that *url* names, with the connections that are left to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database_name(url))))


def database_name(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


def migrate(url: str) -> None:
    """Brings the schema of the database to its newest version, where the project has migrations."""
    settings = ROOT / "alembic.ini"
    if not settings.exists():
        return
    config = Config(settings)
    config.attributes["url"] = url
    command.upgrade(config, "head")


def step(url: str, direction: str, revision: str) -> None:
    """Bring the schema up or down to a revision. No worker of the test is there any more."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('syncline.workers')").fetchone() != (None,):
            connection.execute("UPDATE syncline.workers SET state = 'stopped'")
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    getattr(command, direction)(config, revision)


def _tcp_of(url: str) -> TcpServer | None:
    given = conninfo_to_dict(url)
    host = str(given.get("host", "localhost"))
    if host.startswith("/"):
        return None
    return TcpServer(
        host=host,
        port=int(given.get("port") or 5432),
        user=str(given.get("user", "")),
        password=str(given.get("password", "")),
    )


@contextmanager
def _embedded() -> Iterator[Server]:
    memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    home = tempfile.mkdtemp(prefix="syncline-test-", dir=MEMORY if memory else None)
    sweeper = subprocess.Popen(["sh", "-c", _SWEEPER, "sh", home], stdin=subprocess.PIPE, start_new_session=True)
    try:
        with EmbeddedPostgres(Path(home), durable=False) as postgres:
            tcp = postgres.tcp
            yield Server(
                url=postgres.url,
                tcp=TcpServer(host=tcp.host, port=tcp.port, user=tcp.user, password=tcp.password),
            )
    finally:
        sweeper.communicate()


def _started_container() -> PostgresContainer | None:
    """A server in Docker; None where there is no Docker or its image cannot be had, unless TEST_DB=docker."""
    required = os.environ.get("TEST_DB") == "docker"
    if not required and shutil.which("docker") is None and "DOCKER_HOST" not in os.environ:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client library's own, which are not ours to mend
        # Imported here, for they take a fifth of a second that sessions without Docker need not pay.
        from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

        try:
            DockerClient(timeout=3).client.ping()
            container = PostgresContainer(IMAGE, driver=None)
            container.with_command(["postgres", *(word for setting in FAST for word in ("-c", setting))])
            return container.start()
        except (DockerException, OSError):  # no daemon, no permission, no image, no answer
            if required:
                raise
        finally:
            gc.collect()  # the sockets it left open, while their warnings are ignored
    return None


@contextmanager
def _stopping(container: PostgresContainer) -> Iterator[str]:
    try:
        yield container.get_connection_url()
    finally:
        container.stop()
