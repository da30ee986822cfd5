"""The workers and what they run, for people who look at them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from app.store.database import Pool

_SQL: Final = load_statements("workers.sql")


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that a worker runs. `started_at` is the start of its first attempt."""

    source: str
    collection: str
    task: UUID
    attempt: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker. It is alive while its lease, which ends at `lease_until`, is valid.

    Empty `pools` means all pools. `running` counts its tasks; `tasks` has the oldest of them.
    """

    id: UUID
    host: str
    pid: int
    release: str
    slots: int
    pools: Sequence[str]
    state: str
    started_at: datetime
    renewed_at: datetime
    lease_until: datetime
    is_alive: bool
    has_other_catalogue: bool
    running: int
    tasks: Sequence[RunningTask]


@dataclass(frozen=True, slots=True)
class WorkerList:
    """Workers at the time `now` of the store, those first that are alive; `left_out` is how many more there are."""

    workers: Sequence[Worker]
    left_out: int
    now: datetime | None


async def fetch_workers(pool: Pool, most: int, most_tasks: int) -> WorkerList:
    """Fetch the workers that are alive, and those that ended in the last day, each with its oldest tasks."""
    rows = await pool.fetch(_SQL["listed_workers"], most)
    if not rows:
        return WorkerList((), 0, None)
    tasks: dict[UUID, list[RunningTask]] = defaultdict(list)
    for worker, *task in await pool.fetch(_SQL["tasks_of_workers"], [row["worker"] for row in rows], most_tasks):
        tasks[worker].append(RunningTask(*task))
    workers = [
        Worker(
            id=row["worker"],
            **{name: row[name] for name in Worker.__slots__ if name not in {"id", "tasks"}},
            tasks=tasks[row["worker"]],
        )
        for row in rows
    ]
    return WorkerList(workers, rows[0]["workers"] - len(rows), rows[0]["now"])
