"""What a process uses while there is nothing to do: memory, statements, processor time.

All sides idle at the same time, each on a database of its own of one server, after each has done a few tasks. Memory is
the resident set of the process and its children; statements are what pg_stat_statements counts in the side's database.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import psycopg

from benchmarks.peer_queues import peers_here
from benchmarks.product import Product
from benchmarks.queues import Queue, Syncline, post
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import COUNTING_STATEMENTS, Server, durable_server

if TYPE_CHECKING:
    from benchmarks.programs import Program

TASKS: Final = 20
WARMING_SECONDS: Final = Size(full=30, small=3)
WINDOW_SECONDS: Final = Size(full=30, small=5)
_MOST_FREQUENT: Final = 8
WORKER: Final = f"{OURS} worker"
API: Final = f"{OURS} api"
_STATEMENTS: Final = r"""
    SELECT s.calls, left(regexp_replace(s.query, '\s+', ' ', 'g'), 80)
    FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = %s ORDER BY s.calls DESC, s.query
"""


@dataclass(frozen=True, slots=True)
class Idler:
    """A process that has nothing to do, and the name of its database."""

    side: str
    program: Program
    database: str


def measure() -> Report:
    peers, missing = peers_here()
    with ExitStack() as stack:
        server = stack.enter_context(durable_server(COUNTING_STATEMENTS))
        counting = stack.enter_context(psycopg.connect(server.url, autocommit=True))
        counting.execute("CREATE EXTENSION pg_stat_statements")
        queues: list[Queue] = [Syncline(slots=16), *peers]
        idlers = [_api(stack, server), *(_worker(stack, server, queue) for queue in queues)]
        time.sleep(WARMING_SECONDS.value)
        counting.execute("SELECT pg_stat_statements_reset()")
        before = {one.side: one.program.cpu_seconds() for one in idlers}
        time.sleep(WINDOW_SECONDS.value)
        used = {one.side: one.program.cpu_seconds() - before[one.side] for one in idlers}
        calls = {one.side: _calls(counting, one) for one in idlers}
        memory = {one.side: [one.program.resident_megabytes()] for one in idlers}
    window = WINDOW_SECONDS.value
    statements = {side: [sum(number for number, _ in own) / window] for side, own in calls.items()}
    resident = Figure("resident memory", "MB", memory)
    statements_figure = Figure("statements", "1/s", statements)
    shares = {side: [100 * seconds / window] for side, seconds in used.items()}
    return Report(
        name="idle",
        title="A worker and an API with nothing to do",
        settings={
            "window (s)": window,
            **{f"{peer.name} {peer.version()}": peer.settings for peer in peers},
            **server.settings,
        },
        figures=[resident, statements_figure, Figure("processor time of the process", "% of a core", shares)],
        goals=[
            goal
            for side in (WORKER, API)
            for goal in (
                Goal(f"{side}: resident memory ≤ 80 MB", resident.median(side), 80, "at most"),
                Goal(f"{side}: ≤ 2 statements/s", statements_figure.median(side), 2, "at most"),
            )
        ],
        notes=[*missing, f"Statements of the {WORKER} per second: {_most_frequent(calls[WORKER], window)}."],
    )


def _worker(stack: ExitStack, server: Server, queue: Queue) -> Idler:
    url, directory = _database(stack, server, migrated=queue.migrated)
    queue.prepare(url, directory, TASKS)
    program = stack.enter_context(queue.start_worker(url, directory, 0))
    queue.fill(url, directory, TASKS)
    return Idler(WORKER if queue.name == OURS else queue.name, program, _name(url))


def _api(stack: ExitStack, server: Server) -> Idler:
    url, directory = _database(stack, server, migrated=True)
    Syncline().prepare(url, directory, TASKS)
    api = stack.enter_context(Product(directory, url).api())
    with api.client() as client:
        for number in range(TASKS):
            post(client, number)
    return Idler(API, api.program, _name(url))


def _database(stack: ExitStack, server: Server, *, migrated: bool) -> tuple[str, Path]:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(server.database(migrated=migrated)), directory


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


def _calls(connection: psycopg.Connection[Any], idler: Idler) -> list[tuple[int, str]]:
    """How often each statement was sent, and how it begins; the most frequent first."""
    return list(connection.execute(_STATEMENTS.encode(), [idler.database]))


def _most_frequent(calls: list[tuple[int, str]], window: int) -> str:
    return ", ".join(f"{number / window:.2g} `{statement}`" for number, statement in calls[:_MOST_FREQUENT])


if __name__ == "__main__":
    main(measure)
