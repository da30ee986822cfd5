"""Log lines of `synthetic` attempts until they are durable events, compared with a COPY of the same rows.

Ours is the time between the first `TaskStarted` and the last `TaskSucceeded`, which is appended when every line of its
attempt is stored; both by the database's clock. COPY is one binary COPY by asyncpg into an empty table with the same
columns and the same key, from rows that lie in memory already.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import asyncpg
import psycopg

from benchmarks.product import Product, catalogue
from benchmarks.queues import Syncline
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import Server, durable_server, settle

LINES: Final = Size(full=200_000, small=20_000)
LINES_OF_EACH: Final = Size(full=20_000, small=2_000)
REPETITIONS: Final = Size(full=3, small=1)
COPY: Final = "COPY"
# Of one attempt, and of 16 at once.
_TIMES_COPY: Final = (0.6, 0.5)
_ROWS: Final = "SELECT task, attempt, line, at, level, message, system FROM syncline.log_events"
_TIMES: Final = """
    SELECT extract(epoch FROM max(at) - min(at))::float, count(*) FILTER (WHERE type = 'TaskSucceeded')
    FROM syncline.events WHERE type IN ('TaskStarted', 'TaskSucceeded')
"""


def measure() -> Report:
    loads = {"one attempt": (1, LINES.value), "16 attempts at once": (16, LINES_OF_EACH.value)}
    rates: dict[str, dict[str, list[float]]] = {load: {OURS: [], COPY: []} for load in loads}
    with durable_server() as server:
        for _ in range(REPETITIONS.value):
            for load, (attempts, lines) in loads.items():
                ours, copied = write(server, attempts, lines)
                rates[load][OURS].append(ours)
                rates[load][COPY].append(copied)
                print(f"{load}: {ours:,.0f}/s, COPY {copied:,.0f}/s", flush=True)
    figures = [Figure(load, "lines/s", runs) for load, runs in rates.items()]
    return Report(
        name="log_lines",
        title="Log lines until they are durable",
        settings={
            "lines of one attempt": LINES.value,
            "lines of each of 16": LINES_OF_EACH.value,
            **server.settings,
        },
        figures=figures,
        goals=[
            Goal(f"≥ {bound:g} × COPY, {figure.what}", figure.ratio(COPY), bound, "at least")
            for figure, bound in zip(figures, _TIMES_COPY, strict=True)
        ],
    )


def write(server: Server, attempts: int, lines: int) -> tuple[float, float]:
    """Lines per second of a worker with so many attempts of so many lines, and of COPY of what it has written."""
    queue = Syncline(slots=attempts)
    with tempfile.TemporaryDirectory() as name, server.database(migrated=True) as url:
        directory = Path(name)
        parameters = {"records": 0, "log_lines": lines}
        Product(directory, url).write_catalogue(catalogue(attempts, parameters=parameters, slots=attempts))
        with queue.start_worker(url, directory, 0) as worker, psycopg.connect(url, autocommit=True) as connection:
            settle(url)
            queue.fill(url, directory, attempts)
            while connection.execute(queue.left.encode()).fetchone() != (0,):
                time.sleep(0.1)
            worker.stop()
            times = connection.execute(_TIMES.encode()).fetchone()
        assert times is not None
        seconds, ended = times
        if ended != attempts:
            raise RuntimeError(f"{attempts} attempts were asked for, {ended} have succeeded")
        stored, copied = asyncio.run(_copy_again(url))
        if stored < attempts * lines:
            raise RuntimeError(f"{attempts} × {lines} lines were written, {stored} are stored")
        return stored / seconds, stored / copied


async def _copy_again(url: str) -> tuple[int, float]:
    """How many lines there are, and the seconds of a COPY of them into a table of the same kind."""
    connection = await asyncpg.connect(url)
    try:
        rows = [tuple(row) for row in await connection.fetch(_ROWS)]
        await connection.execute("CREATE TABLE copied (LIKE syncline.log_events INCLUDING ALL)")
        await connection.execute("CHECKPOINT")
        began = time.perf_counter()
        await connection.copy_records_to_table("copied", records=rows)
        return len(rows), time.perf_counter() - began
    finally:
        await connection.close()


if __name__ == "__main__":
    main(measure)
