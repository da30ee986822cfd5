"""What it costs to schedule, claim and end tasks, with a history of 0, 1 and 10 million tasks.

Makes the queue's own calls on three databases of one server, in turn, a batch at a time, so that all see the same
machine. Each turn schedules tasks of as many collections as the batch has tasks, claims them and ends them. An idle
worker sees batches of one, a busy one batches of a hundred. The longest history is shorter if the disk is too small.
"""

from __future__ import annotations

import statistics
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import uvloop

from benchmarks.history import histories
from benchmarks.queue_calls import schedule, succeed
from benchmarks.report import Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import SETTINGS
from tests.harness import Store, a_task, opened_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

MIDDLE: Final = Size(full=1_000_000, small=10_000)
LONG: Final = Size(full=10_000_000, small=20_000)
TURNS: Final = Size(full=300, small=10)
REPETITIONS: Final = Size(full=5, small=1)
BATCHES: Final = (1, 100)
STEPS: Final = ("schedule", "claim", "end")
_WARMING_TURNS: Final = 20


def measure() -> Report:
    with histories() as made:
        longest = made.possible(LONG.value)
        urls = {_side(tasks): made.database(tasks) for tasks in (0, MIDDLE.value, longest)}
        runs = uvloop.run(_measure(urls))
    figures = [
        Figure(f"{step} {batch}", "ms", {side: runs[side, step, batch] for side in urls})
        for batch in BATCHES
        for step in STEPS
    ]
    none, *others = urls
    return Report(
        name="growth",
        title="Claims and endings over a growing history",
        settings={"turns a run": TURNS.value, **SETTINGS},
        figures=figures,
        goals=[
            Goal(f"{figure.what}, {side}: ≤ 1.2 × without", figure.ratio(none, ours=side), 1.2, "at most")
            for figure in figures
            if not figure.what.startswith("schedule")
            for side in others
        ],
    )


async def _measure(urls: Mapping[str, str]) -> dict[tuple[str, str, int], list[float]]:
    """Milliseconds by side, step and batch: the median of each repetition."""
    runs: dict[tuple[str, str, int], list[float]] = {}
    async with AsyncExitStack() as stack:
        stores = {side: await stack.enter_async_context(opened_store(url, size=1)) for side, url in urls.items()}
        workers = {side: await store.worker() for side, store in stores.items()}
        for batch in BATCHES:
            for repetition in range(REPETITIONS.value + 1):
                taken: dict[tuple[str, str, int], list[float]] = {}
                for _ in range(TURNS.value if repetition else _WARMING_TURNS):
                    for side, store in stores.items():
                        for step, seconds in (await _turn(store, workers[side], batch)).items():
                            taken.setdefault((side, step, batch), []).append(seconds * 1000)
                if repetition:
                    for key, all_of_it in taken.items():
                        runs.setdefault(key, []).append(statistics.median(all_of_it))
    return runs


async def _turn(store: Store, worker: UUID, batch: int) -> dict[str, float]:
    new = [a_task(f"collection_{number}", "growth") for number in range(batch)]
    times = [time.perf_counter()]
    await schedule(store.queue, new)
    times.append(time.perf_counter())
    claims = await store.queue.claim(worker, batch)
    times.append(time.perf_counter())
    await succeed(store.queue, worker, claims)
    times.append(time.perf_counter())
    assert len(claims) == batch
    return {step: after - before for step, before, after in zip(STEPS, times[:-1], times[1:], strict=True)}


def _side(tasks: int) -> str:
    return f"{tasks:,} tasks of history"


if __name__ == "__main__":
    main(measure)
