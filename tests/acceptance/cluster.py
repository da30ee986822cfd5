"""Real `syncline` processes on one database and one configuration file."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TOKEN = "acceptance-token"
DEADLINE_SECONDS = 60
# Never used, for nothing here is TLS; httpx would otherwise read all authorities at each request.
NO_TLS = ssl.create_default_context()
_PROGRAM = """
from importlib import import_module
for place, value in {bounds!r}.items():
    module, _, name = place.rpartition(".")
    getattr(import_module(module), name)
    setattr(import_module(module), name, value)
from app.cli import main
main()
"""


def wait_until(what: str, condition: Callable[[], Any], *, seconds: float = DEADLINE_SECONDS) -> Any:
    """The condition's first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} seconds for: {what}"
        time.sleep(0.05)
    return answer


class Process:
    """One `syncline` command; its output is kept for the report of a failure."""

    def __init__(
        self,
        directory: Path,
        environment: dict[str, str],
        *arguments: str,
        python: str = sys.executable,
        program: Sequence[str] = ("-m", "app.cli"),
    ) -> None:
        self.output = directory / f"{'-'.join(arguments)}-{time.monotonic_ns()}.log".replace("/", "_")
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [python, *program, *arguments],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two short calls that take no lock
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it lives."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def memory(self) -> int:
        """The resident size, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def wait(self) -> int:
        """The exit code. If it does not end in time, its log gets where each of its threads is."""
        try:
            return self._process.wait(timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)
            self._process.wait()
            raise

    def end(self) -> None:
        if self._process.poll() is None:
            self.kill()

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")


class Cluster:
    """Processes that end with the block. `python` is the interpreter of the checkout whose code they run."""

    def __init__(self, directory: Path, config: str, database_url: str, *, python: str = sys.executable) -> None:
        self.directory = directory
        self.python = python
        self.config = directory / "syncline.yaml"
        self.config.write_text(config)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DATABASE_URL": database_url,
            "SYNCLINE_CONFIG": str(self.config),
            "SYNCLINE_DATA_DIR": str(directory / "data"),
            "SYNCLINE_LOG_FORMAT": "json",
            "PYTHONFAULTHANDLER": "1",
        }
        self.processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.end()
        if error[0] is not None:
            for process in self.processes:
                sys.stderr.write(f"--- {process.output.name}\n{process.text[-4000:]}\n")

    def start(
        self,
        *arguments: str,
        bounds: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """`syncline` with these arguments; `bounds` replaces constants, `module.NAME`, so that a test need not wait.

        `environment` is what it has beside or instead of the others' environment.
        """
        options = {"program": ("-c", _PROGRAM.format(bounds=dict(bounds)))} if bounds else {}
        process = Process(
            self.directory, self.environment | dict(environment or {}), *arguments, python=self.python, **options
        )
        self.processes.append(process)
        return process

    def worker(self) -> Process:
        return self.start("worker")

    def api(self, *, bounds: Mapping[str, float] | None = None, environment: Mapping[str, str] | None = None) -> Api:
        """A replica that is ready."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = self.start("api", "--port", str(port), bounds=bounds, environment=environment)
        api = Api(process, f"http://127.0.0.1:{port}")
        wait_until("the API is ready", api.is_ready)
        return api


class Api:
    """A client of one replica."""

    def __init__(self, process: Process, address: str) -> None:
        self.process = process
        self.address = address

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/readyz", trust_env=False, verify=NO_TLS).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def call(
        self, method: str, path: str, *, body: Mapping[str, str] | None = None, token: str = TOKEN, **parameters: str
    ) -> httpx.Response:
        return httpx.request(
            method,
            f"{self.address}/api/v1{path}",
            params=parameters,
            json=body,
            headers={"X-Admin-Token": token},
            timeout=DEADLINE_SECONDS,
            trust_env=False,
            verify=NO_TLS,
        )

    def run(self, source: str, collection: str) -> str:
        """Ask for a task: its id."""
        answer = self.call("POST", "/tasks", source=source, collection=collection)
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/tasks/{task_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def ended(self, task_id: str) -> dict[str, Any]:
        """The task when it has ended."""

        def terminal() -> dict[str, Any] | None:
            task = self.task(task_id)
            return task if task["status"] in {"SUCCESS", "FAILED", "CANCELED"} else None

        return dict(wait_until(f"{task_id} has ended", terminal))

    def log(self, task_id: str) -> list[dict[str, Any]]:
        logs: list[dict[str, Any]] = self.call("GET", f"/tasks/{task_id}/logs").json()["logs"]
        return logs
