"""Syncline as its users run it: real `syncline` processes on one database and one catalogue."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks.programs import Program
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN: Final = "benchmark"  # noqa: S105 - of a server that lives for a minute on the loopback interface
LOOPBACK: Final = "127.0.0.1"
COLLECTIONS_A_SOURCE: Final = 1000
SLOTS: Final = 1000
NO_WORK: Final = {"records": 0, "log_lines": 0}
_REGISTERED: Final = "SELECT count(*) FROM syncline.workers WHERE state = 'active' AND pid = %s"


@dataclass(frozen=True, slots=True)
class Product:
    """The processes on one database; their files lie in `directory`.

    `python` is the interpreter, `checkout` has the code: of this release, unless another one is to run.
    """

    directory: Path
    url: str
    python: str = sys.executable
    checkout: Path = ROOT

    def write_catalogue(self, catalogue: dict[str, Any]) -> None:
        # JSON is YAML, and read ten times as fast.
        self._config.write_text(json.dumps(catalogue))

    def worker(self, number: int = 0) -> Program:
        return self._start(f"worker-{number}", "worker")

    def registered_worker(self, number: int = 0) -> Program:
        """A worker that claims tasks."""
        program = self.worker(number)
        with psycopg.connect(self.url, autocommit=True) as connection:
            program.wait_for("registration", lambda: connection.execute(_REGISTERED, [program.pid]).fetchone() == (1,))
        return program

    @contextmanager
    def api(self) -> Iterator[Api]:
        """A replica that is ready."""
        port = free_port()
        with self._start("api", "api", "--port", str(port)) as program:
            api = Api(program, port)
            program.wait_for("the API", api.is_ready)
            yield api

    @property
    def _config(self) -> Path:
        return self.directory / "syncline.json"

    def _start(self, name: str, *arguments: str) -> Program:
        environment = {
            "DATABASE_URL": self.url,
            "SYNCLINE_CONFIG": str(self._config),
            "SYNCLINE_DATA_DIR": str(self.directory / "data"),
            "SYNCLINE_LOG_FORMAT": "json",
            "SYNCLINE_LOG_LEVEL": "warn",
            "PYTHONPATH": str(self.checkout),
        }
        command = [self.python, "-m", "app.cli", *arguments]
        return Program(command, output=self.directory / f"{name}.log", environment=environment)


@dataclass(frozen=True, slots=True)
class Api:
    """A replica of the API on the loopback interface."""

    program: Program
    port: int

    def is_ready(self) -> bool:
        try:
            with self.client() as client:
                client.request("GET", "/readyz")
                return client.getresponse().status == HTTPStatus.OK
        except OSError:
            return False

    @contextmanager
    def client(self) -> Iterator[HTTPConnection]:
        """A connection that is kept."""
        with closing(HTTPConnection(LOOPBACK, self.port, timeout=30)) as client:
            yield client


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        return int(probe.getsockname()[1])


def names(number: int) -> tuple[str, str]:
    """Source and collection of the task with this number."""
    return f"source_{number // COLLECTIONS_A_SOURCE:03}", f"collection_{number:06}"


def catalogue(
    collections: int,
    *,
    parameters: dict[str, Any] | None = None,
    slots: int = SLOTS,
    destination: dict[str, Any] | None = None,
    **of_source: Any,
) -> dict[str, Any]:
    """A catalogue of `synthetic` collections, named as `names` says, that go to `destination`, or nowhere."""
    sources: dict[str, Any] = {}
    name = "nowhere" if destination is None else "warehouse"
    for number in range(collections):
        source, collection = names(number)
        entry = sources.setdefault(
            source, {"type": "synthetic", "destinations": [name], "collections": [], **of_source}
        )
        entry["collections"].append({"name": collection, "parameters": parameters or NO_WORK})
    return {
        "server": {"admin_token": TOKEN, "sync_tasks": {"pool": {"size": slots}}},
        "destinations": {name: destination or {"type": "none"}},
        "sources": sources,
    }
