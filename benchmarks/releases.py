"""This release and the previous one as their users run them: each with its own code, environment and database."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks.peer_queues import INSTALLED, PREVIOUS
from benchmarks.product import TOKEN, Product
from benchmarks.report import OURS
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection

    from benchmarks.programs import Program
    from benchmarks.server import Server

_POLL_SECONDS: Final = 0.005
_PAUSE_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 900.0
# Both releases have these.
_ENDED: Final = """
    SELECT count(*) FILTER (WHERE type = 'TaskSucceeded'), count(*) FILTER (WHERE type LIKE '%Failed'),
           coalesce(extract(epoch FROM max(at)), 0)::float
    FROM syncline.events
"""


@dataclass(frozen=True, slots=True)
class Release:
    """A release whose processes can be run here."""

    name: str
    python: str
    checkout: Path
    migrated: bool

    @contextmanager
    def product(self, server: Server) -> Iterator[Product]:
        """Its processes on a fresh database."""
        with tempfile.TemporaryDirectory() as name, server.database(migrated=self.migrated) as url:
            directory = Path(name)
            if not self.migrated:
                PREVIOUS.prepare(url, directory, 0)
            yield Product(directory, url, self.python, self.checkout)


THIS: Final = Release(OURS, sys.executable, ROOT, migrated=True)
LAST: Final = Release(
    PREVIOUS.name,
    str(INSTALLED / PREVIOUS.environment / "bin" / "python"),
    INSTALLED / PREVIOUS.environment / "checkout",
    migrated=False,
)


def post(client: HTTPConnection, source: str, collection: str) -> str:
    """Ask for a task, and return its id. Raises RuntimeError unless it is new."""
    path = f"/api/v1/tasks?source={source}&collection={collection}"
    return str(_answer(client, "POST", path, expected=HTTPStatus.CREATED)["task_id"])


def sync(client: HTTPConnection, source: str, collection: str) -> float:
    """Seconds from the POST until the API says that the task has succeeded.

    Raises RuntimeError if it has not.
    """
    began = time.perf_counter()
    task = post(client, source, collection)
    while (status := _answer(client, "GET", f"/api/v1/tasks/{task}")["status"]) != "SUCCESS":
        if status in {"FAILED", "CANCELED"} or time.perf_counter() - began > _PATIENCE_SECONDS:
            raise RuntimeError(f"the task of {source}/{collection} is {status}")
        time.sleep(_POLL_SECONDS)
    return time.perf_counter() - began


def succeeded(url: str) -> int:
    """How many tasks have succeeded since the database was made."""
    with psycopg.connect(url) as connection:
        return _ended(connection)[0]


def until_succeeded(worker: Program, url: str, tasks: int) -> float:
    """The time (epoch) at which the last of so many tasks since the database was made has succeeded.

    Raises RuntimeError if one fails.
    """
    with psycopg.connect(url, autocommit=True) as connection:

        def all_ended() -> bool:
            done, failures, _ = _ended(connection)
            if failures:
                raise RuntimeError(f"{failures} attempts or tasks have failed: {worker.output[-2000:]}")
            return done >= tasks

        # Counting costs the server time, and the events say when it was.
        worker.wait_for(f"{tasks} tasks", all_ended, seconds=_PATIENCE_SECONDS, pause=_PAUSE_SECONDS)
        return _ended(connection)[2]


def _ended(connection: psycopg.Connection[tuple[int, int, float]]) -> tuple[int, int, float]:
    row = connection.execute(_ENDED).fetchone()
    assert row is not None
    return row


def _answer(client: HTTPConnection, method: str, path: str, *, expected: int = HTTPStatus.OK) -> dict[str, Any]:
    client.request(method, path, headers={"X-Admin-Token": TOKEN})
    answer = client.getresponse()
    body = answer.read()
    if answer.status != expected:
        raise RuntimeError(f"{method} {path} was answered with {answer.status}: {body!r}")
    document: dict[str, Any] = json.loads(body)
    return document
