"""How fast tasks that are already queued and do nothing are worked off: by one process, and by two.

Syncline is measured twice. `queue` is the queue alone: a program that claims and ends tasks with the queue's public
calls; the peers' handlers do nothing either. `worker` is the product's worker with made load, whose attempts run like
all others, only not in a process of their own. The queue of the previous release is measured in the same way as ours,
on its own schema.

Each drain has a fresh database. The workers start, connect and become idle. Then SIGSTOP holds them while the tasks are
queued and ANALYZE and CHECKPOINT run. The clock runs from their release until the queue is empty.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from benchmarks.peer_queues import ALL_PEERS, PREVIOUS, peers_here
from benchmarks.programs import held
from benchmarks.queues import Queue, QueueCalls, Syncline
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import Server, durable_server, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TASKS: Final = Size(full=60_000, small=6_000)
REPETITIONS: Final = Size(full=3, small=1)
PROCESSES: Final = (1, 2)
SIDES: Final = {"queue": QueueCalls(), "worker": Syncline(name=f"{OURS} worker", share=0.5)}
_TIMES_A_PEER: Final = {"graphile-worker": 1.2, "pg-boss": 1.3, "pgqueuer": 2.5}
_MOST_CPU: Final = 55
_SETTLING_SECONDS: Final = 1.0
_LONGEST_PAUSE: Final = 0.5
_SHORTEST_PAUSE: Final = 0.005


@dataclass(frozen=True, slots=True)
class Drained:
    """One drain: tasks per second, and microseconds of CPU per task of the server and of the workers.

    `scheduled` is how many tasks a second were scheduled before it.
    """

    scheduled: float
    rate: float
    server: float
    workers: float

    @property
    def both(self) -> float:
        return self.server + self.workers


def measure() -> Report:
    peers, missing = peers_here((PREVIOUS, *ALL_PEERS))
    sides: list[Queue] = [*SIDES.values(), *peers]
    queues = [queue for queue in sides if is_wanted(queue.name)]
    runs: dict[tuple[int, str], list[Drained]] = {}
    with durable_server() as server:
        for _ in range(REPETITIONS.value):
            for processes in PROCESSES:
                for queue in queues:
                    drained = drain(server, queue, tasks=_tasks_of(queue), processes=processes)
                    print(f"{queue.name}, {processes} process(es): {drained.rate:,.0f}/s", flush=True)
                    runs.setdefault((processes, queue.name), []).append(drained)
    figures = both_figures(runs, [peer.name for peer in peers if peer in queues])
    return Report(
        name="drain",
        title="Drain of queued no-op tasks",
        settings={
            "tasks": TASKS.value,
            **{f"{peer.name} {peer.version()}": f"{peer.settings}; {_tasks_of(peer):,} tasks" for peer in peers},
            **{own.name: f"{own.settings}; {_tasks_of(own):,} tasks" for own in SIDES.values()},
            **server.settings,
        },
        figures=figures,
        goals=_goals(figures),
        notes=missing,
    )


def _tasks_of(queue: Queue) -> int:
    return round(TASKS.value * queue.share)


def drain(server: Server, queue: Queue, *, tasks: int, processes: int) -> Drained:
    """Raises RuntimeError when a task was started twice, or not at all."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(server.database(migrated=queue.migrated))
        queue.prepare(url, directory, tasks)
        workers = [stack.enter_context(queue.start_worker(url, directory, number)) for number in range(processes)]
        time.sleep(_SETTLING_SECONDS)
        with held(workers):
            began = time.monotonic()
            queue.fill(url, directory, tasks)
            scheduled = tasks / (time.monotonic() - began)
            settle(url)
            server_before = server.cpu_seconds()
            workers_before = sum(worker.cpu_seconds() for worker in workers)
            began = time.monotonic()
        seconds = _until_empty(url, queue, began)
        used = server.cpu_seconds() - server_before
        workers_used = sum(worker.cpu_seconds() for worker in workers) - workers_before
        for worker in workers:
            worker.stop()
        check_each_once(queue.name, queue.starts(url, directory), tasks)
    return Drained(scheduled, tasks / seconds, used / tasks * 1e6, workers_used / tasks * 1e6)


def _until_empty(url: str, queue: Queue, began: float) -> float:
    """Seconds until no task is left. Counting costs the server time, so it is done seldom, and often near the end."""
    with psycopg.connect(url, autocommit=True) as connection:
        total = left = _count(connection, queue)
        while left:
            passed = time.monotonic() - began
            expected = passed * left / max(total - left, 1)
            # A first guess says little: no pause is longer than a quarter of the time so far.
            time.sleep(max(min(expected / 2, passed / 4, _LONGEST_PAUSE), _SHORTEST_PAUSE))
            left = _count(connection, queue)
        return time.monotonic() - began


def _count(connection: psycopg.Connection[tuple[int]], queue: Queue) -> int:
    row = connection.execute(queue.left.encode()).fetchone()
    assert row is not None
    return row[0]


def check_each_once(name: str, starts: Sequence[tuple[int, float]], tasks: int) -> None:
    """Raises RuntimeError unless each of the tasks 0 … `tasks` - 1 has one start."""
    started = sorted(number for number, _ in starts)
    if started != list(range(tasks)):
        raise RuntimeError(f"{name}: {len(started)} starts of {len(set(started))} tasks, expected {tasks}")


def both_figures(runs: dict[tuple[int, str], list[Drained]], peers: Sequence[str]) -> list[Figure]:
    """The figures of each of our two sides and of the measured peers; `runs` by processes and name."""
    figures: list[Figure] = []
    for what, own in SIDES.items():
        if alone := runs.get((1, own.name)):
            figures += _figures_of(what, {OURS: own.name} | {peer: peer for peer in peers}, runs)
            if isinstance(own, QueueCalls):
                figures.append(Figure(f"{what}: schedule", "tasks/s", {OURS: [one.scheduled for one in alone]}))
    return figures


def _figures_of(what: str, sides: dict[str, str], runs: dict[tuple[int, str], list[Drained]]) -> Iterator[Figure]:
    def figure(words: str, unit: str, quantity: str, processes: int = 1) -> Figure:
        drains = {side: runs[processes, name] for side, name in sides.items()}
        return Figure(words, unit, {side: [getattr(one, quantity) for one in own] for side, own in drains.items()})

    yield figure(f"{what}: drain, 1 process", "tasks/s", "rate")
    yield figure(f"{what}: drain, 2 processes", "tasks/s", "rate", 2)
    yield figure(f"{what}: CPU of the server, 1 process", "µs/task", "server")
    yield figure(f"{what}: CPU of the worker, 1 process", "µs/task", "workers")
    yield figure(f"{what}: CPU of both, 1 process", "µs/task", "both")


def _goals(figures: Sequence[Figure]) -> list[Goal]:
    """The goals are about the queue, not about what the worker adds."""
    of_the_queue = {
        figure.what.removeprefix("queue: "): figure for figure in figures if figure.what.startswith("queue")
    }
    if not of_the_queue:
        return []
    alone, together = of_the_queue["drain, 1 process"], of_the_queue["drain, 2 processes"]
    server, both = of_the_queue["CPU of the server, 1 process"], of_the_queue["CPU of both, 1 process"]
    goals = [
        Goal(f"≥ {bound:g} × {peer}, {alone.what}", alone.ratio(peer), bound, "at least")
        for peer, bound in _TIMES_A_PEER.items()
        if peer in alone.runs
    ]
    goals.append(Goal(f"≤ {_MOST_CPU} µs/task, {both.what}", both.median(), _MOST_CPU, "at most"))
    if PREVIOUS.name in server.runs:
        ratio = server.ratio(PREVIOUS.name)
        goals.append(Goal(f"≤ 0.75 × the {PREVIOUS.name}, {server.what}", ratio, 0.75, "at most"))
    return [*goals, Goal("queue: 2 processes ≥ 1.3 × one", together.median() / alone.median(), 1.3, "at least")]


if __name__ == "__main__":
    main(measure)
