"""A fleet on a machine of two cores: 10,000 collections that sync every five minutes, for half an hour.

A real worker and a real API on a real clock. All collections are due in the same minute, so the queue fills at once and
is worked off until the next time; each sync loads ten synthetic records into a table of its own, which the first one
makes. Samples tell what waits and what it costs; how fast attempts end is in the events.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import psycopg

from benchmarks.pickup import percentile
from benchmarks.plots import Chart
from benchmarks.product import TOKEN, Product, catalogue, names
from benchmarks.report import OURS, TRIED, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.schedules import until_stored
from benchmarks.server import Server, durable_server, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from http.client import HTTPConnection

    from benchmarks.product import Api
    from benchmarks.programs import Program

COLLECTIONS: Final = Size(full=10_000, small=200)
MINUTES: Final = Size(full=5, small=1)
ROUNDS: Final = Size(full=6, small=2)
SAMPLE_SECONDS: Final = Size(full=5, small=2)
SLOTS: Final = 8
RECORDS: Final = 10
PLOTS: Final = Path(__file__).parent.parent / "docs" / "benchmarks"
PARTS: Final = ("worker and attempts", "API", "PostgreSQL")
_WAITING: Final = """
    SELECT count(*) FILTER (WHERE status = 'SCHEDULED'), count(*) FILTER (WHERE status = 'RUNNING'),
           coalesce(extract(epoch FROM syncline.clock() - min(created_at) FILTER (WHERE status = 'SCHEDULED')), 0)
             ::float
    FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING')
"""
_ROUNDS: Final = """
    SELECT count(*) FILTER (WHERE status = 'SUCCESS'), count(*) FILTER (WHERE status = 'FAILED'),
           extract(epoch FROM max(finished_at) - fire_time)::float
    FROM syncline.all_tasks WHERE fire_time >= %s AND fire_time < %s GROUP BY fire_time ORDER BY fire_time
"""
_DECIDED: Final = (
    "SELECT count(*) FROM syncline.fire_times WHERE fire_time >= %s AND fire_time < %s AND outcome = 'started'"
)
_ENDED: Final = "SELECT extract(epoch FROM at)::float FROM syncline.events WHERE type = 'TaskSucceeded' AND at >= %s"


@dataclass(frozen=True, slots=True)
class Sample:
    """At `at` (epoch): tasks that wait and that run, the longest wait in seconds, CPU seconds so far of each part.

    `answer` is the milliseconds that the API took for the tasks of one collection.
    """

    at: float
    waiting: int
    running: int
    oldest: float
    cpu: tuple[float, ...]
    answer: float


@dataclass(frozen=True, slots=True)
class Round:
    """What came of the fire times of one moment; `seconds` until the last one that has ended had ended."""

    succeeded: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Lived:
    """The whole of it: `ended` has the time (epoch) of each success, `skipped` counts fire times without a task."""

    samples: Sequence[Sample]
    rounds: Sequence[Round]
    ended: Sequence[float]
    skipped: int


def measure() -> Report:
    with durable_server() as server:
        lived = live(server)
    lines = lines_of(lived.samples, lived.ended, seconds=SAMPLE_SECONDS.value)
    _plot(lived.samples, lines)
    return _report(lived, lines, server)


def live(server: Server) -> Lived:
    """Starts the fleet before a round, and samples it until all rounds should be over."""
    period = timedelta(minutes=MINUTES.value)
    with tempfile.TemporaryDirectory() as name, server.database(migrated=True) as url:
        product = Product(Path(name), url)
        product.write_catalogue(_catalogue(url))
        with (
            product.api() as api,
            api.client() as client,
            product.registered_worker() as worker,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            until_stored(connection, COLLECTIONS.value)
            settle(url)
            begin = _next_round(period)
            end = begin + ROUNDS.value * period
            samples = [_sample(server, worker, api, client, connection) for _ in _ticks(begin, end)]
            worker.stop()
            rounds = [Round(*row) for row in connection.execute(_ROUNDS, [begin, end])]
            started = connection.execute(_DECIDED, [begin, end]).fetchone()
            ended = [at for (at,) in connection.execute(_ENDED, [begin])]
    assert started is not None
    return Lived(samples, rounds, ended, ROUNDS.value * COLLECTIONS.value - started[0])


def _catalogue(url: str) -> dict[str, Any]:
    return catalogue(
        COLLECTIONS.value,
        parameters={"records": RECORDS, "log_lines": 0},
        slots=SLOTS,
        destination={"type": "postgres", "url": url, "schema": "loaded"},
        schedule=f"*/{MINUTES.value} * * * *",
    )


def _next_round(period: timedelta) -> datetime:
    """The first one that is so far away that everything is idle before."""
    soon = datetime.now(UTC) + timedelta(seconds=5)
    return datetime.fromtimestamp((soon.timestamp() // period.total_seconds() + 1) * period.total_seconds(), UTC)


def _ticks(begin: datetime, end: datetime) -> Iterator[float]:
    """Waits for each moment of a sample."""
    for number in range(int((end - begin).total_seconds()) // SAMPLE_SECONDS.value):
        at = begin.timestamp() + number * SAMPLE_SECONDS.value
        time.sleep(max(0.0, at - time.time()))
        yield at


def _sample(
    server: Server, worker: Program, api: Api, client: HTTPConnection, connection: psycopg.Connection[Any]
) -> Sample:
    row = connection.execute(_WAITING).fetchone()
    assert row is not None
    waiting, running, oldest = row
    cpu = worker.all_cpu_seconds(), api.program.all_cpu_seconds(), server.cpu_seconds()
    sample = Sample(time.time(), waiting, running, oldest, cpu, _answer(client))
    print(f"{waiting:,} wait, {running} run, the oldest waits {oldest:.0f} s", flush=True)
    return sample


def _answer(client: HTTPConnection) -> float:
    """Milliseconds for the tasks of a collection."""
    source, collection = names(COLLECTIONS.value // 2)
    wanted = {
        "source": source,
        "collection": collection,
        "start": "2020-01-01T00:00:00Z",
        "end": "2100-01-01T00:00:00Z",
    }
    began = time.perf_counter()
    client.request("GET", f"/api/v1/tasks?{urlencode(wanted)}", headers={"X-Admin-Token": TOKEN})
    answer = client.getresponse()
    body = answer.read()
    if answer.status not in {200, 404}:  # before its first task
        raise RuntimeError(f"the list of tasks was answered with {answer.status}: {body!r}")
    return 1000 * (time.perf_counter() - began)


def lines_of(samples: Sequence[Sample], ended: Sequence[float], *, seconds: float) -> dict[str, list[float]]:
    """Of each interval between two samples: attempts a second, and the per cent of a core that each part used.

    `ended` has the time (epoch) of each success; samples are so many `seconds` apart.
    """
    pairs = list(pairwise(samples))
    of_interval = Counter(int((at - samples[0].at) // seconds) for at in ended)
    lines = {"attempts": [of_interval[number] / seconds for number in range(len(pairs))]}
    for place, part in enumerate(PARTS):
        # A process that ends while it is asked for may be counted late.
        lines[part] = [100 * max(0.0, b.cpu[place] - a.cpu[place]) / (b.at - a.at) for a, b in pairs]
    return lines


def _while_some_wait(samples: Sequence[Sample]) -> list[int]:
    """The numbers of the intervals at whose both ends tasks wait; of all, if there is none."""
    waiting = [number for number, (a, b) in enumerate(pairwise(samples)) if a.waiting and b.waiting]
    return waiting or list(range(len(samples) - 1))


def _plot(samples: Sequence[Sample], lines: dict[str, list[float]]) -> None:
    minutes = [(each.at - samples[0].at) / 60 for each in samples]
    directory = PLOTS if COLLECTIONS.value == COLLECTIONS.full else TRIED

    def draw(file: str, title: str, unit: str, x: Sequence[float], of: dict[str, list[float]]) -> None:
        Chart(title, "minutes", unit, x, of).write(directory / f"fleet-{file}.svg")

    who = _whole()
    queue = {"waiting": [float(each.waiting) for each in samples], "running": [float(each.running) for each in samples]}
    draw("queue", f"Tasks: {who}", "tasks", minutes, queue)
    draw("age", f"The longest wait: {who}", "seconds", minutes, {"oldest task": [each.oldest for each in samples]})
    draw("rate", f"Attempts that ended: {who}", "1/s", minutes[1:], {"attempts": lines["attempts"]})
    draw("cpu", f"Processor time: {who}", "% of a core", minutes[1:], {part: lines[part] for part in PARTS})


def _whole() -> str:
    minutes = MINUTES.value
    return f"{COLLECTIONS.value:,} collections, every {f'{minutes} minutes' if minutes > 1 else 'minute'}"


def _report(lived: Lived, lines: dict[str, list[float]], server: Server) -> Report:
    samples, rounds = lived.samples, lived.rounds
    answers = [each.answer for each in samples]
    busy = _while_some_wait(samples)
    longest = max(each.oldest for each in samples)
    whole = ROUNDS.value * COLLECTIONS.value
    succeeded = sum(each.succeeded for each in rounds)
    seconds = MINUTES.value * 60
    return Report(
        name="fleet",
        title=f"A fleet of {_whole()}",
        settings={
            "collections": COLLECTIONS.value,
            "records of a sync": RECORDS,
            "rounds": ROUNDS.value,
            "pool.size": SLOTS,
            "seconds between samples": SAMPLE_SECONDS.value,
            **server.settings,
        },
        figures=[
            Figure("a round, until all its tasks have ended", "s", {OURS: [each.seconds for each in rounds]}),
            Figure(
                "attempts of a round",
                "1/s",
                {OURS: [(each.succeeded + each.failed) / each.seconds for each in rounds]},
            ),
            Figure("attempts that end while others wait", "1/s", {OURS: [lines["attempts"][n] for n in busy]}),
            Figure("tasks that wait", "tasks", {OURS: [float(each.waiting) for each in samples]}),
            Figure("the longest wait", "s", {OURS: [each.oldest for each in samples]}),
            Figure(
                "processor time while tasks wait",
                "% of a core",
                {part: [lines[part][n] for n in busy] for part in PARTS},
            ),
            Figure("GET of a collection's tasks meanwhile, p50", "ms", {OURS: [percentile(answers, 50)]}),
            Figure("GET of a collection's tasks meanwhile, p99", "ms", {OURS: [percentile(answers, 99)]}),
        ],
        goals=[
            Goal(f"tasks that have succeeded, of {whole:,}", succeeded, whole, "at least"),
            Goal("fire times without a task", lived.skipped, 0, "at most"),
            Goal(f"the longest wait ≤ {seconds} s", longest, seconds, "at most"),
        ],
    )


if __name__ == "__main__":
    main(measure)
