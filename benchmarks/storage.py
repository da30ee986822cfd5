"""What a no-op task leaves in the database: bytes of all tables and indexes, beside the previous release.

The same collections run again and again, as they do in service: each round schedules a task of every collection, and
the queue's calls claim and end them. Then VACUUM frees what dead rows took up. What the schema has before the first
task is not counted.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks.peer_queues import PREVIOUS, peers_here
from benchmarks.queues import Queue, QueueCalls
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import Server, durable_server

if TYPE_CHECKING:
    from psycopg import Connection

COLLECTIONS: Final = Size(full=3_000, small=300)
ROUNDS: Final = Size(full=20, small=4)
_PAUSE_SECONDS: Final = 0.02
_BYTES: Final = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM pg_class c WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind IN ('r', 'm')
"""


def measure() -> Report:
    found, missing = peers_here([PREVIOUS])
    sides: dict[str, Queue] = {OURS: QueueCalls(), **{peer.name: peer for peer in found}}
    runs: dict[str, list[float]] = {}
    with durable_server() as server:
        for side, queue in sides.items():
            if is_wanted(side):
                runs[side] = [bytes_of_a_task(server, queue, COLLECTIONS.value, ROUNDS.value)]
                print(f"{side}: {runs[side][0]:,.0f} bytes", flush=True)
        figure = Figure("a no-op task, all tables and indexes", "bytes", runs)
        goals = [
            Goal(f"≤ 0.7 × the {side}", figure.ratio(side), 0.7, "at most")
            for side in runs
            if side != OURS and OURS in runs
        ]
        return Report(
            name="storage",
            title="Bytes that a no-op task leaves",
            settings={
                "collections": COLLECTIONS.value,
                "tasks of each": ROUNDS.value,
                **{peer.name: f"{peer.version()}" for peer in found},
                **server.settings,
            },
            figures=[figure],
            goals=goals,
            notes=missing,
        )


def bytes_of_a_task(server: Server, queue: Queue, collections: int, rounds: int) -> float:
    """What tables and indexes have grown by, over the tasks of so many collections in so many rounds."""
    with tempfile.TemporaryDirectory() as name, server.database(migrated=queue.migrated) as url:
        directory = Path(name)
        queue.prepare(url, directory, collections)
        with psycopg.connect(url, autocommit=True) as connection:
            before = _one(connection, _BYTES)
            with queue.start_worker(url, directory, 0) as worker:
                for _ in range(rounds):
                    queue.fill(url, directory, collections)
                    while _one(connection, queue.left):
                        time.sleep(_PAUSE_SECONDS)
                worker.stop()
            tasks = _one(connection, "SELECT count(*) FROM syncline.tasks")
            if tasks != collections * rounds:
                raise RuntimeError(f"{queue.name}: {collections * rounds} tasks were asked for, {tasks} have ended")
            connection.execute("VACUUM (ANALYZE)")
            return (_one(connection, _BYTES) - before) / tasks


def _one(connection: Connection[Any], query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main(measure)
