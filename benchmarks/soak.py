"""A hundred days in minutes: does retention keep size, dead rows and latency level?

A million tasks run through the store's own functions in a hundred days of the database's clock, on a durable embedded
server with default autovacuum settings. Retention runs once a day, as housekeeping runs it.

    .venv/bin/python -m benchmarks.soak             # writes the plots of docs/benchmarks/
    .venv/bin/python -m benchmarks.soak --small     # plots next to the results
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.config.sections import Retention, Server, StoreLogs, SyncTasks
from app.domain.task import Status
from app.execution.housekeeping import Housekeeping
from app.projections import ProjectionRunner, verify
from app.store.log import LineBlock, append_lines
from app.store.reads import LogFilter, Reader
from app.store.task_lists import TaskFilter
from benchmarks.plots import Chart
from benchmarks.queue_calls import schedule
from benchmarks.report import OURS, TRIED, Figure, Goal, Report
from benchmarks.run import Size, main
from tests.harness import a_task, ending, opened_store
from tests.servers.postgres import create_database, database_name, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from app.domain.claim import Claim, Ending
    from tests.harness import Store

KEEP_DAYS, LAST_RUNS, STATISTICS_DAYS = 14, 50, 28
OFTEN, RARELY, EVERY_DAYS = 500, 40, 30
CLAIMED_AT_ONCE, CONNECTIONS, LINES = 500, 2, 3
TEXT: Final = "x" * 110
TASKS, DAYS = Size(1_000_000, 15_000), Size(100, 30)
PLOTS: Final = Path(__file__).parent.parent / "docs" / "benchmarks"

SIZES = """
SELECT sum(pg_total_relation_size(c.oid)) AS all,
       sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname LIKE 'events%') AS events,
       sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname LIKE 'log_events%') AS log_events,
       sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname LIKE 'tasks%') AS tasks
FROM pg_class c WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind = 'r'
"""
DEAD = "SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables WHERE schemaname = 'syncline'"
PARTITIONS = (
    "SELECT count(*) FROM pg_class WHERE relnamespace = 'syncline'::regnamespace AND relispartition AND relkind = 'r'"
)
LOST = """
SELECT count(*) FROM syncline.collections s
WHERE s.last_success_at IS NOT NULL AND NOT EXISTS (
  SELECT FROM syncline.tasks t JOIN syncline.events e ON e.task = t.task AND e.type = 'TaskSucceeded'
  WHERE t.source = s.source AND t.collection = s.collection AND t.finished_at = s.last_success_at
) OR NOT EXISTS (SELECT FROM syncline.all_tasks t WHERE t.task = s.task)
"""


class Soak:
    """The store with its clock, and what was measured of each day."""

    def __init__(self, store: Store, url: str, chance: random.Random) -> None:
        self.store = store
        self.days: dict[str, list[float]] = defaultdict(list)
        self.lived = 0
        self._database = database_name(url)
        self._chance = chance
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._worker: UUID | None = None
        self._long: Claim | None = None
        server = Server(
            retention=Retention(days=KEEP_DAYS, statistics_days=STATISTICS_DAYS),
            sync_tasks=SyncTasks(store_logs=StoreLogs(last_runs=LAST_RUNS)),
        )
        self._housekeeping = Housekeeping(store.pool, lambda: server)

    async def day(self, number: int, tasks: int) -> None:
        await self._begin(number)
        rare = [f"rare{n}" for n in range(RARELY) if (number + n) % EVERY_DAYS == 0]
        await self._round(rare)
        for _ in range(max(1, tasks // OFTEN)):
            await self._round([f"often{n}" for n in range(OFTEN)])
        runner = ProjectionRunner(self.store.pool)
        while await runner.run_once():
            pass
        with self._timed("retention"):
            await self._housekeeping.step()
        await self._read()
        await self._sample()

    async def _begin(self, number: int) -> None:
        await self.store.admin.execute(f"ALTER DATABASE {self._database} SET syncline.clock_offset = '{number} days'")
        await self.store.pool.expire_connections()
        if self._worker is None:
            self._worker = await self.store.worker(lease=timedelta(days=10_000))
        # An attempt that runs for weeks: its week waits for it.
        if number % 33 == 5:
            await self.store.schedule("long")
            self._long = await self.store.claim(self._worker)
        if number % 33 == 25 and self._long:
            await self.store.end(self._worker, self._long)

    async def _round(self, collections: list[str]) -> None:
        if not collections:
            return
        with self._timed("schedule"):
            await schedule(self.store.queue, [a_task(name) for name in collections])
        self.lived += len(collections)
        await asyncio.gather(*(self._drain() for _ in range(CONNECTIONS)))

    async def _drain(self) -> None:
        assert self._worker is not None
        while True:
            with self._timed("claim"):
                claims = await self.store.queue.claim(self._worker, CLAIMED_AT_ONCE // CONNECTIONS)
            if not claims:
                self._seconds["claim"].pop()
                return
            lines = [LineBlock.of(1, 0.0, "info", [TEXT] * LINES)]
            with self._timed("log lines"):
                await append_lines(self.store.pool, self._worker, [(claim, lines) for claim in claims], now=0.0)
            for claim in claims:
                if self._chance.random() < 0.01:
                    await self.store.streams.save_bookmark(
                        self._worker, claim, commit=1, destination="d", rows=9, bookmark={"at": self.lived}
                    )
            endings = [self._ending(claim) for claim in claims]
            with self._timed("end"):
                assert await self.store.queue.end_attempts(self._worker, endings) == []

    def _ending(self, claim: Claim) -> Ending:
        # Two collections never succeed.
        failed = claim.collection in {"often7", "rare7"} or self._chance.random() < 0.08
        return ending(claim, "TaskFailed", Status.FAILED, error="no") if failed else ending(claim)

    async def _read(self) -> None:
        reader = Reader(self.store.pool)
        far = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        for number in self._chance.sample(range(OFTEN), 20):
            collection = f"often{number}"
            with self._timed("list"):
                page = [
                    row
                    async for rows in reader.page_tasks(TaskFilter("s", *far, collection=collection, limit=100))
                    for row in rows
                ]
            with self._timed("task"):
                assert await reader.get_task(page[-1]["task"])
            with self._timed("log"):
                assert [rows async for rows in reader.page_log(page[-1]["task"], LogFilter(*far))]

    async def _sample(self) -> None:
        sizes = await self.store.admin.fetchrow(SIZES)
        assert sizes is not None
        for name, size in sizes.items():
            self.days[f"size {name}"].append(float(size) / 2**20)
        # What the last statements did to the tables reaches the server's statistics within a second.
        self.days["dead"].append(float(await self.store.admin.fetchval(DEAD)))
        self.days["partitions"].append(float(await self.store.admin.fetchval(PARTITIONS)))
        self.days["tasks"].append(float(await self.store.admin.fetchval("SELECT count(*) FROM syncline.all_tasks")))
        for name, seconds in self._seconds.items():
            self.days[name].append(statistics.median(seconds) * 1000)
        self._seconds.clear()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[what].append(time.perf_counter() - began)

    async def checked(self) -> tuple[int, int]:
        """Differences between projections and events; collections that lack their last task or last success."""
        drifts = await verify(self.store.pool)
        for drift in drifts:
            print(drift)
        return len(drifts), await self.store.admin.fetchval(LOST)


async def soak(url: str, tasks: int, days: int) -> Report:
    async with opened_store(url) as store:
        run = Soak(store, url, random.Random(7))  # noqa: S311 - it only has to vary
        began = time.perf_counter()
        for number in range(days):
            await run.day(number, tasks // days)
            if number % 10 == 9:
                size, dead = run.days["size all"][-1], run.days["dead"][-1]
                print(f"day {number + 1}: {run.lived:,} tasks, {size:,.0f} MiB, {dead:,.0f} dead rows", flush=True)
        seconds = time.perf_counter() - began
        drifts, lost = await run.checked()
        _plot(run, days)
        return _report(run, days, seconds, drifts, lost)


def _report(run: Soak, days: int, seconds: float, drifts: int, lost: int) -> Report:
    def late(name: str) -> float:
        """The last third of the days over the third before it, medians."""
        third = days // 3
        values = run.days[name]
        return statistics.median(values[-third:]) / max(statistics.median(values[-2 * third : -third]), 1e-9)

    hot = ("schedule", "claim", "log lines", "end", "task", "list", "log")
    units = {"dead": "rows", "partitions": "tables", "tasks": "rows"}
    return Report(
        name="soak",
        title=f"{run.lived:,} tasks in {days} days of the database's clock, with retention",
        settings={
            "tasks": run.lived,
            "days": days,
            "seconds": round(seconds, 1),
            "retention.days": KEEP_DAYS,
            "retention.statistics_days": STATISTICS_DAYS,
            "store_logs.last_runs": LAST_RUNS,
            "collections": OFTEN + RARELY,
            "log lines of a task": LINES + 1,
        },
        figures=[
            Figure(
                name, units.get(name, "MiB" if name.startswith("size") else "ms"), {OURS: [round(v, 3) for v in values]}
            )
            for name, values in run.days.items()
        ],
        goals=[
            Goal("size, last third of the days over the third before", late("size all"), 1.1, "at most"),
            Goal("dead rows, the same", late("dead"), 1.5, "at most"),
            Goal("partitions at the end", run.days["partitions"][-1], 3 * (KEEP_DAYS / 7 + 7), "at most"),
            *(Goal(f"median latency of '{name}', the same", late(name), 1.2, "at most") for name in hot),
            Goal("differences that verify found", drifts, 0, "at most"),
            Goal("collections without their last task or success", lost, 0, "at most"),
        ],
    )


def _plot(run: Soak, days: int) -> None:
    axis = list(range(1, days + 1))

    def draw(file: str, title: str, unit: str, lines: dict[str, str]) -> None:
        chart = Chart(
            title, "days of the database's clock", unit, axis, {name: run.days[key] for name, key in lines.items()}
        )
        chart.write((PLOTS if TASKS.value == TASKS.full else TRIED) / f"soak-{file}.svg")

    sizes = {
        "schema syncline": "size all",
        "events": "size events",
        "log lines": "size log_events",
        "tasks": "size tasks",
    }
    draw("size", "Size on disk", "MiB", sizes)
    draw("dead-rows", "Dead rows that vacuum has still to take", "rows", {"all tables": "dead"})
    batches = {
        f"claim ≤ {CLAIMED_AT_ONCE // CONNECTIONS}": "claim",
        f"schedule {OFTEN}": "schedule",
        "end": "end",
        "log lines": "log lines",
    }
    draw("latency", "Median latency of a batch", "milliseconds", batches)
    draw("reads", "Median latency of a read", "milliseconds", {"task": "task", "list of 100": "list", "log": "log"})


def measure() -> Report:
    with (
        tempfile.TemporaryDirectory(prefix="syncline-soak-") as home,
        EmbeddedPostgres(Path(home), durable=True) as postgres,
    ):
        url = create_database(postgres.url)
        migrate(url)
        return uvloop.run(soak(url, TASKS.value, DAYS.value))


if __name__ == "__main__":
    main(measure)
