"""A table of PostgreSQL into PostgreSQL and DuckDB: the source `sql`, compared with the fastest copies and with dlt.

The bare copies read the same table through a server-side cursor of asyncpg and write its rows with COPY, or as Arrow
tables: they check no types, stage nothing and keep no bookmark. Every side is a process of its own, measured from its
start to its end, and writes a new table.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import psycopg

from benchmarks.attempt import Ended, attempted, job_of, ran
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import durable_server, settle
from benchmarks.singer_peers import DLT

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: Final = Size(full=1_000_000, small=5_000)
REPETITIONS: Final = Size(full=3, small=1)
TO_POSTGRES: Final = f"{OURS}, into PostgreSQL"
TO_DUCKDB: Final = f"{OURS}, into DuckDB"
COPY: Final = "asyncpg COPY"
ARROW: Final = "DuckDB from Arrow"
PEER: Final = "dlt, into PostgreSQL"
MOST_TIMES_BARE: Final = 2
FASTER_THAN_DLT: Final = 3
_PROGRAMS: Final = Path(__file__).parent / "peers"
MADE: Final = """
CREATE TABLE made AS SELECT
  n::bigint AS id, 'name ' || n AS name, 'Genève' AS city, '2024-02-29Z'::timestamptz + n * '1s'::interval AS at,
  1.5::float8 + n / 8.0::float8 AS price, NULLIF(n % 100, 0)::integer AS count, n % 2 = 0 AS active,
  repeat('x', 20) AS note
FROM generate_series(1, $1::integer) AS n
"""


def measure() -> Report:
    return compare(
        "databases",
        "A table of PostgreSQL into PostgreSQL and DuckDB",
        Warehouse.ways,
        _goals,
        rows=ROWS.value,
        repetitions=REPETITIONS.value,
    )


def compare(
    name: str,
    title: str,
    ways_into: Callable[[Warehouse], dict[str, Callable[[], Ended]]],
    goals_of: Callable[[dict[str, list[Ended]]], list[Goal]],
    *,
    rows: int,
    repetitions: int,
    **settings: int,
) -> Report:
    """Copy the same table of so many `rows` by each of the ways, in turn. dlt is left out where it is not installed."""
    with durable_server() as server, server.database_over_tcp() as url, tempfile.TemporaryDirectory() as directory:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(MADE.replace("$1", str(rows)).encode())
        settle(url)
        missing = DLT.missing()
        warehouse = Warehouse(url, Path(directory), rows=rows)
        ways = ways_into(warehouse)
        if missing is not None:
            del ways[PEER]
        runs: dict[str, list[Ended]] = {side: [] for side in ways if is_wanted(side)}
        for _ in range(repetitions):
            for side, found in runs.items():
                warehouse.empty()
                found.append(ways[side]())
                print(f"{side}: {found[-1].seconds:.1f} s, {found[-1].megabytes:.0f} MB", flush=True)
        return Report(
            name=name,
            title=title,
            settings={
                "rows": rows,
                "columns": 8,
                **settings,
                **({} if missing else {"dlt": DLT.version()}),
                **server.settings,
            },
            figures=[
                Figure(
                    "the whole table", "s", {side: [each.seconds for each in found] for side, found in runs.items()}
                ),
                Figure(
                    "largest size", "MB", {side: [each.megabytes for each in found] for side, found in runs.items()}
                ),
            ],
            goals=goals_of(runs),
            notes=[missing] if missing else [],
        )


class Warehouse:
    """The database with the table, and the destinations."""

    def __init__(self, url: str, directory: Path, *, rows: int) -> None:
        self._url = url
        self._directory = directory
        self._rows = rows
        self._file = directory / "warehouse.duckdb"
        self.file = str(self._file)
        self.postgres = {"type": "postgres", "url": url, "schema": "loaded"}
        self.duckdb = {"type": "duckdb", "path": self.file, "schema": "loaded"}

    def ways(self) -> dict[str, Callable[[], Ended]]:
        return {
            COPY: lambda: self.bare("asyncpg_copy.py"),
            TO_POSTGRES: lambda: self.ours(self.postgres),
            ARROW: lambda: self.bare("duckdb_arrow.py", self.file),
            TO_DUCKDB: lambda: self.ours(self.duckdb),
            PEER: self.theirs,
        }

    def empty(self) -> None:
        """Nothing is loaded, and nobody pays for what was loaded before."""
        self._file.unlink(missing_ok=True)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS loaded CASCADE")
        settle(self._url)

    def ours(self, destination: dict[str, Any], **config: Any) -> Ended:
        source = {"url": self._url, **config}
        ended, finished = attempted(job_of("sql", source, destination, name="made", data_dir=self._directory))
        if finished.rows_written != self._rows:
            raise RuntimeError(f"{finished.rows_written} rows were written")
        return self._checked(ended)

    def bare(self, program: str, *arguments: str) -> Ended:
        environment = {"PATH": ""}
        command = [sys.executable, str(_PROGRAMS / program), self._url, *arguments]
        return self._checked(ran(command, None, environment=environment))

    def theirs(self) -> Ended:
        command = [DLT.command("python"), str(_PROGRAMS / "dlt_program.py"), self._url, str(self._directory / "dlt")]
        return self._checked(ran(command, None, environment=DLT.environment))

    def _checked(self, ended: Ended) -> Ended:
        count = "SELECT count(*), sum(id)::bigint, count(count) FROM {}made"
        with psycopg.connect(self._url) as connection:
            there = connection.execute(count.format("").encode()).fetchone()
            if not self._file.exists():
                loaded = connection.execute(count.format("loaded.").encode()).fetchone()
        if self._file.exists():
            with duckdb.connect(str(self._file), read_only=True) as connection:
                loaded = connection.execute(count.format("loaded.")).fetchone()
        if loaded != there:
            raise RuntimeError(f"the table has {there}, loaded are {loaded}")
        return ended


def _goals(runs: dict[str, list[Ended]]) -> list[Goal]:
    seconds = Figure("", "s", {side: [each.seconds for each in found] for side, found in runs.items()})
    goals = [
        Goal(f"{ours} ≤ {MOST_TIMES_BARE} × {bare}", seconds.ratio(bare, ours=ours), MOST_TIMES_BARE, "at most")
        for ours, bare in ((TO_POSTGRES, COPY), (TO_DUCKDB, ARROW))
        if {ours, bare} <= runs.keys()
    ]
    if {TO_POSTGRES, PEER} <= runs.keys():
        text = f"{TO_POSTGRES} ≥ {FASTER_THAN_DLT} × as fast as dlt"
        goals.append(Goal(text, 1 / seconds.ratio(PEER, ours=TO_POSTGRES), FASTER_THAN_DLT, "at least"))
    return goals


if __name__ == "__main__":
    main(measure)
