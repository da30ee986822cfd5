"""How many events a second a rebuild of all projections folds, compared with counting the same events.

A history of a million tasks, some four million events. First every row is right, so that only
the daily statistics are written, which are always created anew; then all projections are lost. In the end
`syncline projections verify` must find nothing. One turn rebuilds each projection alone, for what each costs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psycopg
import uvloop

from app.projections import PROJECTIONS, rebuild, rebuild_all, verify
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from benchmarks.history import histories
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Awaitable

TASKS: Final = Size(full=1_000_000, small=10_000)
REPETITIONS: Final = Size(full=3, small=1)
LOST: Final = f"{OURS}, of lost rows"
COUNT: Final = "SELECT count(*)"
_LOSE: Final = "TRUNCATE syncline.tasks, syncline.collections, syncline.bookmarks"
_COUNT: Final = "SELECT count(*) FROM syncline.events"


def measure() -> Report:
    with histories() as made:
        url = made.database(TASKS.value)
        events, runs = uvloop.run(_measure(url))
    rates = Figure("events folded", "events/s", runs)
    return Report(
        name="rebuild",
        title="Rebuild of all projections",
        settings={"tasks": TASKS.value, "events": events, **SETTINGS},
        figures=[rates],
        goals=[
            Goal("of right rows: ≥ 200k events/s", rates.median(OURS), 200_000, "at least"),
            Goal("of lost rows: ≥ 400k events/s", rates.median(LOST), 400_000, "at least"),
        ],
    )


async def _measure(url: str) -> tuple[int, dict[str, list[float]]]:
    runs: dict[str, list[float]] = {OURS: [], LOST: [], COUNT: []}
    async with open_pool(DatabaseAddress.of(url), name="rebuild", statement_seconds=None) as pool:
        events: int = await pool.fetchval(_COUNT)

        async def timed(side: str, work: Awaitable[object]) -> None:
            began = time.perf_counter()
            await work
            runs.setdefault(side, []).append(events / (time.perf_counter() - began))
            print(f"{side}: {runs[side][-1]:,.0f} events/s", flush=True)

        for _ in range(REPETITIONS.value):
            await timed(COUNT, pool.fetchval(_COUNT))
            await timed(OURS, rebuild_all(pool))
            _settle(url)
            _settle(url, _LOSE)
            await timed(LOST, rebuild_all(pool))
            _settle(url)
        for name in PROJECTIONS:
            await timed(f"{name} alone", rebuild(pool, name))
        if drifts := await verify(pool):
            raise RuntimeError(f"the rebuilt projections are not the events': {drifts[0]}")
    return events, runs


def _settle(url: str, *before: str) -> None:
    """Leave neither dead rows nor a checkpoint to the next one."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (*before, "VACUUM (ANALYZE)", "CHECKPOINT"):
            connection.execute(statement.encode())


if __name__ == "__main__":
    main(measure)
