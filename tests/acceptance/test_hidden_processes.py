"""What a tap can read of the processes that have passwords: nothing, though it runs as the same user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from app.bootstrap.postgres_programs import NOBODY
from app.lifeline import MARK_VARIABLE, end_descendants, mark_argument
from tests.acceptance.cluster import DEADLINE_SECONDS
from tests.integration.execution.children import is_alive
from tests.other_users import environment_of_nobody
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hides processes from others of their user")

CATALOGUE = """
server: {admin_token: hunter2-hunter2, port: 0}
sources:
  shop:
    type: sql
    destinations: [nowhere]
    config: {url: "postgresql://app:hunter2-hunter2@127.0.0.1:PORT/app"}
    collections: [{name: orders, parameters: {table: orders}}]
destinations:
  nowhere: {type: none}
"""
READER = """
import os, sys
for name in ("environ", "maps", "mem"):
    try:
        open(f"/proc/{sys.argv[1]}/{name}", "rb").close()
        print(name)
    except PermissionError:
        pass
try:
    os.readlink(f"/proc/{sys.argv[1]}/fd/0")
    print("fd")
except PermissionError:
    pass
"""
READABLE = ["environ", "maps", "mem", "fd"]
SLEEPING = "print('runs', flush=True); import time; time.sleep(600)"
# Looks into an attempt at the moment when its job is about to be sent.
STARTING = """
import asyncio, os, subprocess, sys
import msgspec, psutil
from app.domain.attempt_protocol import TryDestination
from app.execution import child

class Encoder:
    def encode(self, job):
        [attempt] = psutil.Process().children()
        print("before its job:", flush=True)
        subprocess.run([sys.executable, "-c", sys.argv[1], str(attempt.pid)], check=True)
        return msgspec.json.encode(job)

async def start():
    attempt = await child.AttemptProcess.start(TryDestination("there", {"type": "none"}, sys.argv[2]), os.environ)
    print(*[type(message).__name__ async for message in attempt.messages()])
    await attempt.end(grace_seconds=0)
    attempt.close()

child._encoder = Encoder()
asyncio.run(start())
"""
HIDDEN = """
import subprocess, sys, time
from app.hiding import hide_from_others
hide_from_others()
subprocess.Popen([sys.executable, *sys.argv[1:]])
time.sleep(600)
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """One of the user's own, which everybody may enter, unlike tmp_path."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def python(directory: Path) -> tuple[str, ...]:
    return environment_of_nobody(directory / "python", "import app.cli.main, app.attempt.process")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Takes connections and says nothing; one that is made shows that a process is at work."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE_SECONDS)
        yield listening


@contextmanager
def syncline(
    python: tuple[str, ...], *arguments: str, directory: Path, server: socket.socket
) -> Iterator[subprocess.Popen[str]]:
    """A command that waits for a server that never answers."""
    port = server.getsockname()[1]
    catalogue = directory / "syncline.yaml"
    catalogue.write_text(CATALOGUE.replace("PORT", str(port)))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "DATABASE_URL": f"postgresql://app:hunter2-hunter2@127.0.0.1:{port}/app",
        "SYNCLINE_DATA_DIR": str(directory / "data"),
    }
    command = [*python, "-m", "app.cli", *arguments, "--config", str(catalogue)]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True) as process:
        try:
            with closing(server.accept()[0]):
                yield process
        finally:
            process.kill()


def readable(python: tuple[str, ...], pid: int) -> list[str]:
    """What a process of the same user can open of another's."""
    done = subprocess.run([*python, "-c", READER, str(pid)], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("command", ["api", "worker", "dev"])
def test_nobody_else_reads_the_environment_and_the_memory_of_a_service(
    python: tuple[str, ...], directory: Path, server: socket.socket, command: str
) -> None:
    with syncline(python, command, directory=directory, server=server) as service:
        assert readable(python, service.pid) == []


def test_nobody_else_reads_the_environment_and_the_memory_of_an_attempt(
    python: tuple[str, ...], directory: Path, server: socket.socket
) -> None:
    with syncline(python, "sources", "test", "shop", directory=directory, server=server) as command:
        [attempt] = psutil.Process(command.pid).children()
        assert readable(python, command.pid) == readable(python, attempt.pid) == []
        words = attempt.cmdline()
        assert [word for word in words if word.startswith(f"{MARK_VARIABLE}=")]
        assert "hunter2" not in " ".join([*words, *psutil.Process(command.pid).cmdline()])


def test_an_attempt_gets_its_job_when_nobody_else_can_read_it(python: tuple[str, ...], directory: Path) -> None:
    command = [*python, "-c", STARTING, READER, str(directory / "data")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["before its job:", "Checked Finished"]


def test_a_hidden_process_is_found_by_the_mark_among_its_arguments(python: tuple[str, ...]) -> None:
    mark = "1/2/3/4"
    clean_up = "import sys; from app.lifeline import end_marked; end_marked([sys.argv[1]])"
    with subprocess.Popen(
        [*python, "-c", HIDDEN, "-c", SLEEPING, mark_argument(mark)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as hidden:
        try:
            assert hidden.stdout
            assert hidden.stdout.readline() == "runs\n"
            programs = psutil.Process(hidden.pid).children()
            subprocess.run([*python, "-c", clean_up, f"{mark}x"], cwd=ROOT, check=True)
            assert hidden.poll() is None
            subprocess.run([*python, "-c", clean_up, mark], cwd=ROOT, check=True)
            assert hidden.wait(timeout=DEADLINE_SECONDS) == -signal.SIGKILL
            assert not any(is_alive(program.pid) for program in programs)
        finally:
            end_descendants([hidden.pid])
            hidden.kill()


def test_a_program_that_a_hidden_process_starts_can_be_read(python: tuple[str, ...]) -> None:
    """So its mark is found; and this machine would let a tap read what is not hidden."""
    with subprocess.Popen(
        [*python, "-c", HIDDEN, "-c", SLEEPING], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as hidden:
        try:
            assert hidden.stdout
            assert hidden.stdout.readline() == "runs\n"
            [program] = psutil.Process(hidden.pid).children()
            assert readable(python, hidden.pid) == []
            assert readable(python, program.pid) == READABLE
        finally:
            end_descendants([hidden.pid])
            hidden.kill()
