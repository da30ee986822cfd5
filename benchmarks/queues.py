"""A task queue that can be measured, and Syncline as two: its worker, and its queue's calls alone.

The others are in `peer_queues`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

import psycopg

from app.domain.claim import NewTask
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from app.store.queue import TaskQueue
from benchmarks.product import TOKEN, Product, catalogue, names
from benchmarks.programs import Program
from benchmarks.queue_calls import CALLS_AT_ONCE, CLAIMED_AT_ONCE, READY, schedule
from benchmarks.report import OURS
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from pathlib import Path


class Call(NamedTuple):
    """One task asked for: when the call was made and when it returned, in seconds since the epoch."""

    task: int
    called: float
    returned: float


class Queue(Protocol):
    """One side of a comparison."""

    @property
    def name(self) -> str: ...

    @property
    def share(self) -> float:
        """What part of the tasks it is given: a small one where it is so slow that all would take too long."""

    @property
    def left(self) -> str:
        """The query that counts the tasks that have not ended."""

    @property
    def migrated(self) -> bool:
        """Whether it works on Syncline's schema."""

    def prepare(self, url: str, directory: Path, tasks: int) -> None:
        """Make the schema, and all that a worker needs to know."""

    def start_worker(self, url: str, directory: Path, number: int) -> Program:
        """A worker that is connected and idle."""

    def fill(self, url: str, directory: Path, tasks: int) -> None:
        """Queue tasks 0 … `tasks` - 1."""

    def enqueue(self, url: str, directory: Path, tasks: int, pause: float) -> list[Call]:
        """Ask for one task after the other, with `pause` seconds between."""

    def starts(self, url: str, directory: Path) -> list[tuple[int, float]]:
        """(task, time) of each start of a handler; to be asked when the workers have been stopped."""


@dataclass(frozen=True, slots=True)
class Syncline:
    """The product's worker with made load: `slots` attempts at once, each carried out as every attempt is."""

    name: str = OURS
    share: float = 1
    left: str = "SELECT count(*) FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING')"
    migrated: bool = True
    slots: int = 1000

    @property
    def settings(self) -> str:
        return f"uvloop, pool.size {self.slots}, log level warn"

    def prepare(self, url: str, directory: Path, tasks: int) -> None:
        Product(directory, url).write_catalogue(catalogue(tasks, slots=self.slots))

    def start_worker(self, url: str, directory: Path, number: int) -> Program:
        return Product(directory, url).registered_worker(number)

    def fill(self, url: str, directory: Path, tasks: int) -> None:  # noqa: ARG002 - the protocol's
        asyncio.run(_schedule(url, tasks))

    def enqueue(self, url: str, directory: Path, tasks: int, pause: float) -> list[Call]:
        with Product(directory, url).api() as api, api.client() as client:
            calls = []
            for number in range(tasks):
                calls.append(post(client, number))
                time.sleep(pause)
            return calls

    def starts(self, url: str, directory: Path) -> list[tuple[int, float]]:  # noqa: ARG002 - the protocol's
        # The event is the claim's, the first line of the log the attempt's own. If it has none, its end is known.
        query = """
            SELECT right(t.collection, 6)::integer,
                   extract(epoch FROM greatest(e.at, coalesce(l.at, t.finished_at)))::float
            FROM syncline.events e JOIN syncline.all_tasks t USING (task)
            LEFT JOIN syncline.log_events l ON l.task = e.task AND l.attempt = e.attempt AND l.line = 1
            WHERE e.type = 'TaskStarted'
        """
        with psycopg.connect(url) as connection:
            return [(number, at) for number, at in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class QueueCalls(Syncline):
    """The queue alone: a program that claims tasks and ends them with the queue's public calls."""

    name: str = f"{OURS} queue"

    @property
    def settings(self) -> str:
        return f"uvloop, {CALLS_AT_ONCE} calls at once, up to {CLAIMED_AT_ONCE} tasks each"

    def prepare(self, url: str, directory: Path, tasks: int) -> None:
        """It needs no catalogue."""

    def start_worker(self, url: str, directory: Path, number: int) -> Program:
        command = [sys.executable, "-m", "benchmarks.queue_calls", url]
        program = Program(command, output=directory / f"queue-{number}.log", environment={"PYTHONPATH": str(ROOT)})
        program.wait_until_it_says(READY)
        return program


def post(client: HTTPConnection, number: int) -> Call:
    """Ask an API for the task with this number. Raises RuntimeError unless it is new."""
    source, collection = names(number)
    called = time.time()
    client.request("POST", f"/api/v1/tasks?source={source}&collection={collection}", headers={"X-Admin-Token": TOKEN})
    answer = client.getresponse()
    body = answer.read()
    returned = time.time()
    if answer.status != HTTPStatus.CREATED:
        raise RuntimeError(f"POST for task {number} was answered with {answer.status}: {body!r}")
    return Call(number, called, returned)


async def _schedule(url: str, tasks: int) -> None:
    async with open_pool(DatabaseAddress.of(url), name="benchmark", size=1) as pool:
        await schedule(TaskQueue(pool), [NewTask(*names(number), "synthetic", "api", 3, 3) for number in range(tasks)])
        await pool.execute("SELECT pg_notify('syncline', '')")
