"""A big table of PostgreSQL into PostgreSQL and DuckDB: `read_parallel`, compared with bare copies and with dlt.

The bare copies are one program each: psycopg passes the binary COPY of one connection on to another, and DuckDB takes
rows that asyncpg or ADBC reads. They check no types, stage nothing and keep no bookmark. Every side is a process of its
own, measured from its start to its end, and writes a new table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.databases import ARROW, PEER, TO_DUCKDB, TO_POSTGRES, compare
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.attempt import Ended
    from benchmarks.databases import Warehouse

ROWS: Final = Size(full=5_000_000, small=200_000)
REPETITIONS: Final = Size(full=3, small=1)
PARALLEL: Final = 2
ONE_TO_POSTGRES: Final = f"{OURS}, one connection, into PostgreSQL"
COPY: Final = "binary COPY by psycopg"
ADBC: Final = "DuckDB from ADBC"
MOST_TIMES_COPY: Final = 1.25
MOST_TIMES_ARROW: Final = 1.15
FASTER_THAN_DLT: Final = 3


def measure() -> Report:
    return compare(
        "big_tables",
        "A big table of PostgreSQL into PostgreSQL and DuckDB",
        _ways,
        _goals,
        rows=ROWS.value,
        repetitions=REPETITIONS.value,
        read_parallel=PARALLEL,
    )


def _ways(warehouse: Warehouse) -> dict[str, Callable[[], Ended]]:
    parallel = {"read_parallel": PARALLEL}
    return {
        COPY: lambda: warehouse.bare("binary_copy.py"),
        TO_POSTGRES: lambda: warehouse.ours(warehouse.postgres, **parallel),
        ONE_TO_POSTGRES: lambda: warehouse.ours(warehouse.postgres),
        ARROW: lambda: warehouse.bare("duckdb_arrow.py", warehouse.file),
        ADBC: lambda: warehouse.bare("duckdb_adbc.py", warehouse.file),
        TO_DUCKDB: lambda: warehouse.ours(warehouse.duckdb, **parallel),
        PEER: warehouse.theirs,
    }


def _goals(runs: dict[str, list[Ended]]) -> list[Goal]:
    seconds = Figure("", "s", {side: [each.seconds for each in found] for side, found in runs.items()})
    goals = [
        Goal(f"{ours} ≤ {most} × {bare}", seconds.ratio(bare, ours=ours), most, "at most")
        for ours, bare, most in (
            (TO_POSTGRES, COPY, MOST_TIMES_COPY),
            (TO_DUCKDB, ARROW, MOST_TIMES_ARROW),
        )
        if {ours, bare} <= runs.keys()
    ]
    if {TO_POSTGRES, PEER} <= runs.keys():
        text = f"{TO_POSTGRES} ≥ {FASTER_THAN_DLT} × as fast as dlt"
        goals.append(Goal(text, 1 / seconds.ratio(PEER, ours=TO_POSTGRES), FASTER_THAN_DLT, "at least"))
    return goals


if __name__ == "__main__":
    main(measure)
