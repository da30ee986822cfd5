"""Lists as they were: the page of 100 tasks of a collection, and the newest of a source, at moments of a long history.

The same lists as they are now stand beside. Each read is what the API does for it: it finds the moment, then the page.
"""

from __future__ import annotations

import statistics
import time
from random import Random
from typing import TYPE_CHECKING, Final

import uvloop

from app.domain.feed import Place
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from app.store.reads import Reader
from app.store.task_lists import TaskFilter
from benchmarks.history import BUSY_SOURCE, COLLECTIONS_OF_A_SOURCE, histories
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.requests import ALWAYS
from benchmarks.run import Size, main
from benchmarks.server import SETTINGS

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.database import Pool

TASKS: Final = Size(full=1_000_000, small=20_000)
READS: Final = Size(full=200, small=20)
REPETITIONS: Final = Size(full=5, small=1)
GOAL_MS: Final = 50
NOW: Final = "as it is now"
_SPAN: Final = """
SELECT min(e.at), max(e.at), min(e.xid) + 1, max(e.xid) - 1
FROM (SELECT at, xid::text::bigint AS xid FROM syncline.events) AS e
"""


def measure() -> Report:
    with histories() as made:
        return uvloop.run(_measure(made.database(TASKS.value)))


async def _measure(url: str) -> Report:
    async with open_pool(DatabaseAddress.of(url), name="benchmark", size=1) as pool:
        figures = [await _figure(pool, kind, limit) for kind, limit in (("list of 100", 100), ("newest of each", 1))]
    page, _ = figures
    return Report(
        name="as_of",
        title=f"Lists as they were, with {TASKS.value:,} tasks",
        settings={"tasks": TASKS.value, "reads a run": READS.value, **SETTINGS},
        figures=figures,
        goals=[
            Goal(f"list of 100 as of a {side}: ≤ {GOAL_MS} ms", page.median(side), GOAL_MS, "at most")
            for side in ("time", "position")
        ],
        notes=[],
    )


async def _figure(pool: Pool, kind: str, limit: int) -> Figure:
    [(begin, end, first, last)] = await pool.fetch(_SPAN)
    chance = Random(17)  # noqa: S311 -- the same moments for all
    runs: dict[str, list[float]] = {NOW: [], "time": [], "position": []}
    for number in range(REPETITIONS.value + 1):
        for side, medians in runs.items():
            took = []
            for _ in range(READS.value):
                collection = f"collection_{chance.randrange(COLLECTIONS_OF_A_SOURCE)}" if limit > 1 else None
                share = chance.random()
                as_of = _moment(side, begin + (end - begin) * share, first + int((last - first) * share))
                took.append(await _read(Reader(pool), collection, limit, as_of))
            if number:  # the first turn fills the caches
                medians.append(1000 * statistics.median(took))
            print(f"{kind}, {side}: {1000 * statistics.median(took):.1f} ms", flush=True)
    return Figure(f"{kind}, median", "ms", {OURS if side == NOW else side: own for side, own in runs.items()})


def _moment(side: str, at: datetime, position: int) -> datetime | Place | None:
    match side:
        case "time":
            return at
        case "position":
            return Place.after_all_of(position)
    return None


async def _read(reader: Reader, collection: str | None, limit: int, as_of: datetime | Place | None) -> float:
    began = time.perf_counter()
    moment = None if as_of is None else await reader.find_moment(as_of)
    wanted = TaskFilter(BUSY_SOURCE, *ALWAYS, collection, limit=limit, as_of=moment)
    async for _ in reader.page_tasks(wanted):
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    main(measure)
