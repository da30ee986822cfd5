"""Tasks per second that are created, and claimed and ended; log lines per second that are stored.

    .venv/bin/python benchmarks/task_queue.py [TASKS]

Prints medians of three runs, each on a fresh database of TEST_DATABASE_URL's server or of an embedded one. A no-op task
costs a queue row, three events, a row of the task list, the collection's status and a last log line.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.store.log import NumberedLine, append_lines
from app.store.queue import schedule_tasks
from tests.database import create_database, drop_database, migrate, running_server
from tests.harness import a_task, ending, opened_store

if TYPE_CHECKING:
    from uuid import UUID

    from tests.harness import Store

RUNS = 3
CREATED_AT_ONCE = 1000
CLAIMED_AT_ONCE = (16, 100, 500)
CONNECTIONS = 2
LOGS = 16
LINES_AT_ONCE = 2000
LINES = 200_000


async def create(store: Store, tasks: int) -> float:
    began = time.perf_counter()
    for first in range(0, tasks, CREATED_AT_ONCE):
        await schedule_tasks(store.pool, [a_task(f"c{number}") for number in range(first, first + CREATED_AT_ONCE)])
    return tasks / (time.perf_counter() - began)


async def drain(store: Store, tasks: int, at_once: int) -> float:
    worker = await store.worker()

    async def claim_and_end() -> None:
        while claims := await store.queue.claim(worker, at_once):
            assert await store.queue.end_attempts(worker, [ending(claim, line=1) for claim in claims]) == []

    began = time.perf_counter()
    await asyncio.gather(*(claim_and_end() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.tasks WHERE status = 'SUCCESS'") >= tasks
    return tasks / seconds


async def write_logs(store: Store) -> float:
    worker: UUID = await store.worker()
    await schedule_tasks(store.pool, [a_task(f"log{number}") for number in range(LOGS)])
    claims = await store.queue.claim(worker, LOGS)
    each = LINES_AT_ONCE // LOGS
    text = "x" * 110

    async def write(part: int) -> None:
        for batch in range(part, LINES // LINES_AT_ONCE, CONNECTIONS):
            lines = [NumberedLine(batch * each + number + 1, 0.0, "info", text) for number in range(each)]
            refused = await append_lines(store.pool, worker, [(claim, lines) for claim in claims], now=0.0)
            assert not refused

    began = time.perf_counter()
    await asyncio.gather(*(write(part) for part in range(CONNECTIONS)))
    return LINES / (time.perf_counter() - began)


async def measure(url: str, tasks: int) -> dict[str, float]:
    figures = {}
    async with opened_store(url, size=CONNECTIONS) as store:
        for at_once in CLAIMED_AT_ONCE:
            await store.admin.execute("TRUNCATE syncline.task_queue, syncline.tasks")
            figures["tasks created"] = await create(store, tasks)
            await store.admin.execute("VACUUM ANALYZE")
            figures[f"tasks claimed and ended, {at_once} at once"] = await drain(store, tasks, at_once)
        figures["log lines stored"] = await write_logs(store)
    return figures


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    runs = []
    with running_server() as server:
        for _ in range(RUNS):
            url = create_database(server.url)
            migrate(url)
            runs.append(uvloop.run(measure(url, tasks)))
            drop_database(url, server_url=server.url)
    for name in runs[0]:
        print(f"{name}: {statistics.median(run[name] for run in runs):,.0f} per second")


if __name__ == "__main__":
    main()
