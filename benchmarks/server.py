"""The PostgreSQL server of a benchmark: durable, on disk, the same for every side."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import psutil
import psycopg

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from tests.servers.postgres import create_database, database_name, drop_database, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.bootstrap.embedded_postgres import TcpAddress

SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "200",
}
COUNTING_STATEMENTS: Final = {"shared_preload_libraries": "pg_stat_statements"}


@dataclass(frozen=True, slots=True)
class Server:
    """`url` is a database for administration, `pid` the postmaster, `schema` the URL of a database with our tables."""

    url: str
    pid: int
    version: str
    schema: str
    tcp: TcpAddress | None = None

    @contextmanager
    def database_over_tcp(self) -> Iterator[str]:
        """A fresh database as `database` makes it, by an address for programs that know no Unix sockets."""
        if self.tcp is None:
            raise RuntimeError("the server does not listen on the loopback interface")
        place = f"{self.tcp.user}:{quote(self.tcp.password, safe='')}@{self.tcp.host}:{self.tcp.port}"
        with self.database() as url:
            yield f"postgresql://{place}/{database_name(url)}"

    @contextmanager
    def database(self, *, migrated: bool = False) -> Iterator[str]:
        """The URL of a fresh database, empty or with Syncline's schema, which is dropped afterwards."""
        url = create_database(self.url, template=self.schema if migrated else None)
        try:
            yield url
        finally:
            drop_database(url, server_url=self.url)

    def cpu_seconds(self) -> float:
        """Of the server since its start: user and system time of all its processes, those that have ended too."""
        children = psutil.Process(self.pid).children()
        own, ended = cpu_times(self.pid)
        return own + ended + sum(sum(cpu_times(child.pid)) for child in children)

    @property
    def settings(self) -> dict[str, str]:
        """What a report says about the server."""
        return {"PostgreSQL": self.version} | SETTINGS


@contextmanager
def durable_server(more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    """A fresh server in a temporary directory (TMPDIR says where: it must be on the disk that is to be measured).

    It has SETTINGS and `more`.
    """
    with tempfile.TemporaryDirectory(prefix="syncline-benchmark-") as directory:
        home = Path(directory) / "postgres"
        _configure(home, {**SETTINGS, **more})
        with EmbeddedPostgres(home, durable=True) as postgres:
            schema = create_database(postgres.url)
            migrate(schema)
            with psycopg.connect(postgres.url) as connection:
                version = str(connection.info.parameter_status("server_version"))
            pid = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
            yield Server(url=postgres.url, pid=pid, version=version, schema=schema, tcp=postgres.tcp)


def settle(url: str) -> None:
    """Fresh statistics, and no checkpoint that another measurement would pay for."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


def cpu_times(pid: int) -> tuple[float, float]:
    """Seconds of user and system time of a process, and of its children that have ended; nothing once it is gone."""
    try:
        spent = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return spent.user + spent.system, spent.children_user + spent.children_system


def _configure(home: Path, settings: Mapping[str, str]) -> None:
    with EmbeddedPostgres(home, durable=True) as postgres, psycopg.connect(postgres.url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
