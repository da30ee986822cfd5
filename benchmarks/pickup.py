"""How long an idle system takes from the return of the call that schedules a task until the task's handler runs.

One task after the other, with pauses in which the system is idle again. Syncline is asked over HTTP, its peers through
their own libraries. The start is what the handler's own clock says; for Syncline it is the later of the event
`TaskStarted` and of the log's first line, both by the database's clock: it is the clock of the same machine. These
tasks are made load, whose attempts run inside the worker (docs/decisions/0027). A handler that starts before the call
has returned counts as negative.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.peer_queues import peers_here
from benchmarks.queues import Queue, Syncline
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import Server, durable_server, settle

TASKS: Final = Size(full=200, small=40)
REPETITIONS: Final = Size(full=3, small=1)
PAUSE_SECONDS: Final = 0.03
_SETTLING_SECONDS: Final = 2.0
_SHORTEST_MS: Final = 0.1
_PERCENTILES: Final = (50, 95, 99)


def measure() -> Report:
    ours = Syncline(slots=16)
    peers, missing = peers_here()
    sides: list[Queue] = [ours, *peers]
    queues = [queue for queue in sides if is_wanted(queue.name)]
    after_return: dict[str, list[list[float]]] = {queue.name: [] for queue in queues}
    after_call: dict[str, list[list[float]]] = {queue.name: [] for queue in queues}
    with durable_server() as server:
        for _ in range(REPETITIONS.value):
            for queue in queues:
                waits = pick_up(server, queue)
                after_return[queue.name].append([from_return for from_return, _ in waits])
                after_call[queue.name].append([from_call for _, from_call in waits])
                print(f"{queue.name}: p50 {percentile(after_return[queue.name][-1], 50):.2f} ms", flush=True)
    figures = [
        Figure(f"call {word} → running, p{share}", "ms", {q: [percentile(r, share) for r in runs[q]] for q in runs})
        for word, runs in (("returned", after_return), ("made", after_call))
        for share in _PERCENTILES
    ]
    return Report(
        name="pickup",
        title="Pickup of a task by an idle worker",
        settings={
            "tasks": TASKS.value,
            "pause between tasks (ms)": PAUSE_SECONDS * 1000,
            **{f"{peer.name} {peer.version()}": peer.settings for peer in peers},
            ours.name: ours.settings,
            **server.settings,
        },
        figures=figures,
        goals=_goals(figures),
        notes=missing,
    )


def pick_up(server: Server, queue: Queue) -> list[tuple[float, float]]:
    """(Milliseconds from the call's return, from the call itself) until the start, of each task."""
    with tempfile.TemporaryDirectory() as name, server.database(migrated=queue.migrated) as url:
        directory = Path(name)
        queue.prepare(url, directory, TASKS.value)
        settle(url)
        with queue.start_worker(url, directory, 0) as worker:
            time.sleep(_SETTLING_SECONDS)
            calls = queue.enqueue(url, directory, TASKS.value, PAUSE_SECONDS)
            time.sleep(_SETTLING_SECONDS)
            worker.stop()
        starts = dict(queue.starts(url, directory))
    if len(starts) != len(calls):
        raise RuntimeError(f"{queue.name}: {len(calls)} tasks were asked for, {len(starts)} have started")
    return [((starts[c.task] - c.returned) * 1000, (starts[c.task] - c.called) * 1000) for c in calls]


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def _goals(figures: list[Figure]) -> list[Goal]:
    middle, _, slowest = figures[:3]
    if OURS not in middle.runs:
        return []
    goals = [
        Goal("p50 ≤ 3 ms", middle.median(), 3, "at most"),
        Goal("p99 ≤ 15 ms", slowest.median(), 15, "at most"),
    ]
    peers = [side for side in middle.runs if side != OURS]
    if peers:
        best = min(peers, key=middle.median)
        # A peer may have begun before the call has returned: no ratio to less than nothing.
        ratio = middle.median() / max(middle.median(best), _SHORTEST_MS)
        goals.append(Goal(f"p50 ≤ 1.5 × the best peer's ({best})", ratio, 1.5, "at most"))
    return goals


if __name__ == "__main__":
    main(measure)
