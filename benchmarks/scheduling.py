"""How long one worker's scheduler takes to queue 10,000 schedules that are due in the same minute.

    .venv/bin/python benchmarks/scheduling.py [SCHEDULES]

Prints the median of three runs, each on a fresh database of TEST_DATABASE_URL's server or of an embedded one.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.scheduling.scheduler import Scheduler
from app.store.notify import Notifier
from app.store.schedules import ScheduleDefinition, Schedules
from tests.database import create_database, drop_database, migrate, running_server
from tests.harness import opened_store

RUNS = 3
WORKER = UUID(int=1)


async def queue(url: str, schedules: int) -> float:
    """Seconds until every schedule has its task."""
    async with opened_store(url) as store:
        now = await store.pool.fetchval("SELECT syncline.clock()")
        due = now.replace(second=0, microsecond=0) - timedelta(minutes=now.minute % 5)
        definitions = [
            ScheduleDefinition(f"s{number % 50}", f"c{number}", "synthetic", 3, "*/5 * * * *", "UTC", "latest", None)
            for number in range(schedules)
        ]
        await Schedules(store.pool).put([(definition, due) for definition in definitions])
        await store.admin.execute("ANALYZE; CHECKPOINT")
        notifier = Notifier(store.pool)
        scheduler = Scheduler(store.pool, notifier, lambda: WORKER)
        began = time.perf_counter()
        while await scheduler.decide_due(WORKER):
            pass
        seconds = time.perf_counter() - began
        await notifier.aclose()
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.task_queue") == schedules
        return seconds


def main() -> None:
    schedules = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = []
    with running_server() as server:
        for _ in range(RUNS):
            url = create_database(server.url)
            migrate(url)
            seconds.append(asyncio.run(queue(url, schedules)))
            drop_database(url, server_url=server.url)
    runs = ", ".join(f"{run:.2f}" for run in seconds)
    print(f"{schedules} due schedules queued in {statistics.median(seconds):.2f} s (runs: {runs})")


if __name__ == "__main__":
    main()
