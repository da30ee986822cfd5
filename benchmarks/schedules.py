"""Many schedules: 10,000 that are due in the same minute, and 100,000 that wait.

A real worker on a real clock. Due: the time from the minute's beginning until the last of the schedules is decided and,
for information, until the last of their no-op tasks has ended; the worker runs them at the same time. Waiting:
the processor time of the worker and of the whole server while nothing is due, in windows that are long enough for what
the worker does once a minute. In the first one it compares every definition with what it has just stored, which it does
once after a change.
"""

from __future__ import annotations

import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks.product import SLOTS, Product, catalogue
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import Server, durable_server

if TYPE_CHECKING:
    from collections.abc import Iterator

DUE: Final = Size(full=10_000, small=500)
MINUTES: Final = Size(full=3, small=1)
WAITING: Final = Size(full=100_000, small=2_000)
WINDOWS: Final = Size(full=3, small=1)
WINDOW_SECONDS: Final = Size(full=61, small=5)
_PATIENCE_SECONDS: Final = 120
_EVERY_MINUTE: Final = "* * * * *"
_LEAP_DAYS: Final = "0 0 29 2 *"

_DECIDED: Final = """
    SELECT count(*), extract(epoch FROM max(decided_at) - fire_time)::float
    FROM syncline.fire_times WHERE fire_time = %s AND outcome = 'started' GROUP BY fire_time
"""
_ENDED: Final = """
    SELECT count(*), extract(epoch FROM max(finished_at) - fire_time)::float
    FROM syncline.all_tasks WHERE fire_time = %s AND status = 'SUCCESS' GROUP BY fire_time
"""


def measure() -> Report:
    with durable_server() as server:
        decided, ended = zip(*_print_each(minutes_of_due_schedules(server)), strict=True)
        loading, costs = idle_costs(server)
    shares = {"worker + server": [sum(cost) for cost in costs]}
    shares |= {part: [cost[place] for cost in costs] for place, part in enumerate(("worker", "server"))}
    queued = Figure(f"{DUE.value:,} schedules due at once: queued after", "s", {OURS: list(decided)})
    cost = Figure(f"{WAITING.value:,} schedules waiting: processor time", "% of a core", shares)
    return Report(
        name="schedules",
        title="Many schedules",
        settings={"due schedules": DUE.value, "waiting schedules": WAITING.value, **server.settings},
        figures=[
            queued,
            Figure(f"{DUE.value:,} schedules due at once: tasks ended after", "s", {OURS: list(ended)}),
            cost,
            Figure(
                f"{WAITING.value:,} schedules: from the worker's start until all are stored", "s", {OURS: [loading]}
            ),
        ],
        goals=[
            Goal(f"{DUE.value:,} schedules that are due at once are queued in ≤ 5 s", queued.median(), 5, "at most"),
            Goal(
                f"{WAITING.value:,} waiting schedules cost ≤ 2 % of a core",
                cost.median("worker + server"),
                2,
                "at most",
            ),
        ],
    )


def minutes_of_due_schedules(server: Server) -> Iterator[tuple[float, float]]:
    """Seconds from the beginning of a minute until all its schedules are queued, and until all tasks have ended."""
    with tempfile.TemporaryDirectory() as name, server.database(migrated=True) as url:
        product = Product(Path(name), url)
        product.write_catalogue(catalogue(DUE.value, schedule=_EVERY_MINUTE))
        with product.worker() as worker, psycopg.connect(url, autocommit=True) as connection:
            until_stored(connection, DUE.value)
            minute = _next_minute(connection)
            for _ in range(MINUTES.value):
                yield _after(connection, _DECIDED, minute), _after(connection, _ENDED, minute)
                minute += timedelta(minutes=1)
            worker.stop()


def idle_costs(server: Server) -> tuple[float, list[tuple[float, float]]]:
    """Seconds of loading, and the per cent of a core that worker and server use in each window."""
    with tempfile.TemporaryDirectory() as name, server.database(migrated=True) as url:
        product = Product(Path(name), url)
        product.write_catalogue(catalogue(WAITING.value, schedule=_LEAP_DAYS, slots=SLOTS))
        began = time.monotonic()
        with product.worker() as worker, psycopg.connect(url, autocommit=True) as connection:
            until_stored(connection, WAITING.value)
            loading = time.monotonic() - began
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
            time.sleep(2)
            costs = []
            for _ in range(WINDOWS.value):
                before = worker.cpu_seconds(), server.cpu_seconds()
                time.sleep(WINDOW_SECONDS.value)
                used = worker.cpu_seconds() - before[0], server.cpu_seconds() - before[1]
                costs.append((100 * used[0] / WINDOW_SECONDS.value, 100 * used[1] / WINDOW_SECONDS.value))
            worker.stop()
    return loading, costs


def _print_each(minutes: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for queued, ended in minutes:
        print(f"{DUE.value:,} due schedules queued after {queued:.2f} s, ended after {ended:.2f} s", flush=True)
        yield queued, ended


def until_stored(connection: psycopg.Connection[Any], schedules: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    query = "SELECT count(*) FROM syncline.schedules WHERE active"
    while connection.execute(query).fetchone() != (schedules,):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{schedules} schedules were not stored within {_PATIENCE_SECONDS} s")
        time.sleep(0.1)


def _next_minute(connection: psycopg.Connection[Any]) -> datetime:
    row = connection.execute("SELECT date_trunc('minute', syncline.clock()) + interval '1 minute'").fetchone()
    assert row is not None
    minute: datetime = row[0]
    return minute


def _after(connection: psycopg.Connection[Any], query: str, minute: datetime) -> float:
    """Seconds after the minute's beginning at which the query finds all schedules."""
    deadline = minute.timestamp() + _PATIENCE_SECONDS
    while (found := connection.execute(query.encode(), [minute]).fetchone()) is None or found[0] < DUE.value:
        if time.time() > deadline:
            raise RuntimeError(f"of {DUE.value} schedules {found and found[0]} were done in {_PATIENCE_SECONDS} s")
        time.sleep(0.5)
    seconds: float = found[1]
    return seconds


if __name__ == "__main__":
    main(measure)
