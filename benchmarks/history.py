"""Databases with a long history: the tasks of some months with their events and logs, as the service would leave them.

One busy source runs its 40 collections in every round, the other 360 collections take turns in eight rounds. Of a
thousand tasks 50 are retried, 30 fail, 10 are canceled in the queue, and the others save a bookmark, so a task has four
events. Each has five log lines, one in ten thousand has 10,000, so a task has six. SQL writes the facts, with the
transaction ids of a scheduler and of workers that act round by round; the product's own rebuild makes every projection
of them. `syncline projections verify` finds nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.projections import rebuild_all
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from benchmarks.server import COUNTING_STATEMENTS, SETTINGS
from tests.servers.postgres import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A directory that is kept, so that several benchmarks share what was generated once.
DIRECTORY_VARIABLE: Final = "SYNCLINE_BENCHMARK_HISTORY"

BUSY_SOURCE: Final = "source_0"
SOURCES: Final = 10
COLLECTIONS_OF_A_SOURCE: Final = 40
LONG_LOG_EVERY: Final = 10_000
LONG_LOG_LINES: Final = 10_000
SHORT_LOG_LINES: Final = 5
BUSY_COLLECTIONS: Final = 40
# Events, log lines, the rows of tasks and statistics with their indexes, and the log that PostgreSQL writes ahead.
BYTES_A_TASK: Final = 6_000

_TURNS: Final = 8
_FACTS: Final = Path(__file__).with_suffix(".sql").read_text()
# Of a round: asked for, started, failed, started again, saved, ended.
_TRANSACTIONS: Final = 6
_TASKS_AT_ONCE: Final = 20_000
_CONNECTIONS: Final = 2
_WORKER: Final = "01900000-0000-7000-8000-000000000001"
_SETTINGS: Final = SETTINGS | {"max_wal_size": "16GB", "maintenance_work_mem": "256MB"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How many collections a history is about, and which of its logs are long."""

    collections_of_a_source: int = COLLECTIONS_OF_A_SOURCE
    long_log_every: int = LONG_LOG_EVERY
    long_log_lines: int = LONG_LOG_LINES

    @property
    def collections(self) -> int:
        return SOURCES * self.collections_of_a_source

    @property
    def a_round(self) -> int:
        """The tasks of a round."""
        return BUSY_COLLECTIONS + (self.collections - BUSY_COLLECTIONS) // _TURNS

    @property
    def parameters(self) -> dict[str, int]:
        """Of the statement that writes the facts."""
        return {
            "a_round": self.a_round,
            "busy": BUSY_COLLECTIONS,
            "turns": _TURNS,
            "own": self.collections_of_a_source,
            "long_every": self.long_log_every,
            "long_lines": self.long_log_lines,
            "short_lines": SHORT_LOG_LINES,
            "transactions": _TRANSACTIONS,
        }


USUAL: Final = Shape()
A_ROUND: Final = USUAL.a_round


@dataclass(frozen=True, slots=True)
class Histories:
    """A server whose databases have pasts of different lengths; they are made when they are first asked for."""

    server_url: str

    def database(self, tasks: int, shape: Shape = USUAL) -> str:
        """The URL of a database with so many tasks, at the newest schema; what was run on it before is still there."""
        name = f"history_{tasks}" if shape == USUAL else f"history_{tasks}_{shape.collections}"
        url = urlsplit(self.server_url)._replace(path=f"/{name}").geturl()
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            if _exists(connection, name):
                migrate(url)
                return url
            began = time.monotonic()
            unfinished = f"{name}_unfinished"
            for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
                connection.execute(sql.SQL(statement).format(sql.Identifier(unfinished)))
            _make(urlsplit(self.server_url)._replace(path=f"/{unfinished}").geturl(), tasks, shape)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))
        print(f"{tasks:,} tasks were made in {time.monotonic() - began:.0f} s.", file=sys.stderr)
        return url

    def possible(self, tasks: int) -> int:
        """So many tasks, or only as many of them as the disk has room for."""
        with _connected(self.server_url) as connection:
            if _exists(connection, f"history_{tasks}"):
                return tasks
            directory = _one(connection, "SELECT current_setting('data_directory')")
            made = _one(connection, "SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datname ~ '^history_'")
        room = shutil.disk_usage(directory).free + int(made or 0)
        possible = fitting(tasks, room)
        if possible < tasks:
            print(f"The disk has room for {possible:,} of {tasks:,} tasks.", file=sys.stderr)
        return possible


def fitting(tasks: int, room: int) -> int:
    """So many tasks, or as many of them as fit into so many bytes: always the same number of almost the same room."""
    parts = min(10, 10 * room // (tasks * BYTES_A_TASK))
    if not parts:
        raise RuntimeError(f"{tasks // 10:,} tasks need {tasks // 10 * BYTES_A_TASK:,} bytes, the disk has {room:,}")
    return tasks * parts // 10


@contextmanager
def histories(*, counts_statements: bool = False) -> Iterator[Histories]:
    """A durable server, in the directory that `SYNCLINE_BENCHMARK_HISTORY` names or in a temporary one."""
    kept = os.environ.get(DIRECTORY_VARIABLE)
    libraries = COUNTING_STATEMENTS if counts_statements else {}
    if kept:
        with _server(Path(kept), libraries) as url:
            yield Histories(url)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="syncline-benchmark-") as directory,
            _server(Path(directory), libraries) as url,
        ):
            yield Histories(url)


@contextmanager
def _server(home: Path, libraries: Mapping[str, str]) -> Iterator[str]:
    with EmbeddedPostgres(home, durable=True) as postgres, _connected(postgres.url) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        for name, value in {**_SETTINGS, **libraries}.items():
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    with EmbeddedPostgres(home, durable=True) as postgres:
        yield postgres.url


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _make(url: str, tasks: int, shape: Shape) -> None:
    span = timedelta(days=max(90, tasks // 25_000))
    let_time_pass(url, span)
    with _connected(url) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
        fill(url, tasks, span=span, shape=shape)
        asyncio.run(_rebuild(url))
        connection.execute("VACUUM (ANALYZE, FREEZE)")
        connection.execute("ALTER SYSTEM RESET autovacuum")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CHECKPOINT")


def let_time_pass(url: str, span: timedelta) -> None:
    """Migrate an empty database as it was done `span` ago, and make the partitions as workers did since then."""
    name = urlsplit(url).path.removeprefix("/")
    with _connected(url) as connection:
        offset = sql.SQL("ALTER DATABASE {} SET syncline.clock_offset = {}")
        connection.execute(offset.format(sql.Identifier(name), sql.Literal(f"-{span.days + 1} days")))
        migrate(url)
        connection.execute(sql.SQL("ALTER DATABASE {} RESET syncline.clock_offset").format(sql.Identifier(name)))
        for days in range(span.days + 1, -1, -7):
            connection.execute("SELECT set_config('syncline.clock_offset', %s, false)", [f"-{days} days"])
            connection.execute("SELECT syncline.ensure_partitions()")


def fill(url: str, tasks: int, *, span: timedelta, shape: Shape = USUAL) -> None:
    """Write the facts of so many ended tasks, the last of them an hour old; no projection knows of them yet."""
    if not tasks:
        return
    rounds = -(-tasks // shape.a_round)
    with _connected(url) as connection:
        facts = shape.parameters | {
            "xid": _reserve_transactions(connection, rounds * _TRANSACTIONS),
            "between": span / rounds,
            "began": _one(connection, "SELECT syncline.clock() - %s - interval '1 hour'", span),
            "worker": _WORKER,
        }
        connection.execute(
            "INSERT INTO syncline.workers VALUES (%s, 'history', 1, '0', 100, 'stopped', %s, now(), now())",
            [_WORKER, facts["began"]],
        )
    parts = [
        facts | {"first": first, "last": min(first + _TASKS_AT_ONCE, tasks) - 1}
        for first in range(0, tasks, _TASKS_AT_ONCE)
    ]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(lambda part: _write(url, part), parts))


def _write(url: str, facts: Mapping[str, Any]) -> None:
    with _connected(url) as connection:
        connection.execute("SET synchronous_commit = off; SET work_mem = '128MB'; SET jit = off")
        connection.execute(_FACTS.encode(), facts)


def _reserve_transactions(connection: psycopg.Connection[Any], count: int) -> int:
    """The first of so many successive transaction ids that nothing else bears."""
    first: int = _one(connection, "SELECT pg_current_xact_id()::text::bigint + 1")
    burn = "DO $$ BEGIN FOR i IN 1..{} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    connection.execute(sql.SQL(burn).format(sql.Literal(count + 1)))
    return first


def _one(connection: psycopg.Connection[Any], query: LiteralString, *values: object) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


async def _rebuild(url: str) -> None:
    async with open_pool(DatabaseAddress.of(url), name="history", statement_seconds=None) as pool:
        await rebuild_all(pool)


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        yield connection
