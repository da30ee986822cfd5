"""What is an orphan, and what becomes of it; the whole with real attempts is in tests/acceptance."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.execution.orphans import Ending, Orphans
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection

# Short attempts, ten at a time, in a process that looks for orphans as each of them ends.
SHORT_ATTEMPTS = """
import asyncio, os, sys
import uvloop
from app.domain.attempt_protocol import TryDestination
from app.execution import child, processes
from app.execution.orphans import ORPHANS

processes.COMMAND = ("sh", "-c", "sleep 0.$(($$ % 3)); exit 7")
child.AttemptProcess._send_job = lambda *_: asyncio.sleep(0)

async def attempts():
    for _ in range(15):
        process = await child.AttemptProcess.start(TryDestination("there", {}, "data"), os.environ)
        print(await process.exit_code())
        await process.end(grace_seconds=0)
        process.close()

async def main():
    ORPHANS.adopt()
    await asyncio.gather(*(attempts() for _ in range(10)))

(uvloop.run if sys.argv[1] == "uvloop" else asyncio.run)(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a process adopts orphans")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_attempt_is_taken_for_an_orphan_and_each_keeps_its_exit_code(loop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT_ATTEMPTS, loop], cwd=ROOT, capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout.split() == ["7"] * 150
    assert done.stderr == ""


# A program prints a password, while attempts end all the time.
PASSWORDS = """
import asyncio
from app.connectors.options.passwords import PasswordProgram
from app.execution.orphans import ORPHANS

async def main():
    ORPHANS.adopt()
    asked = PasswordProgram(["sh", "-c", "printf first-; sleep 0.5; echo last"], key="k", learn=lambda _: None)
    read = asyncio.create_task(asyncio.to_thread(asked.read))
    while not read.done():
        await ORPHANS.end()
    print(await read)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a process adopts orphans")
def test_a_program_that_prints_a_password_is_no_orphan() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PASSWORDS], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.stdout, done.stderr) == ("first-last\n", "")


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Orphans:
    """The process 1 is an orphan that nothing can end."""
    orphans = Orphans()
    children: dict[int, str] = {}
    monkeypatch.setattr("app.execution.orphans.adopt_orphans", lambda: True)
    monkeypatch.setattr("app.execution.orphans.children_elsewhere", lambda *_: children)
    monkeypatch.setattr("app.execution.orphans.kill_or_reap", lambda _: True)
    orphans.adopt()
    children[1] = "stuck"
    return orphans


async def test_an_orphan_that_does_not_end_is_named_and_not_waited_for_again(
    stuck: Orphans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.orphans._PATIENCE_SECONDS", 0.0)
    with capture_logs() as first:
        await stuck.end()
    assert first == [{"event": "orphans.left", "log_level": "warning", "processes": {1: "stuck"}}]
    monkeypatch.setattr("app.execution.orphans._PATIENCE_SECONDS", 3600.0)
    with capture_logs() as second:
        await stuck.end()
    assert second == []


async def test_a_process_that_does_not_adopt_orphans_ends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("app.execution.orphans.children_elsewhere")
    await Orphans().end()


async def test_attempts_that_end_together_share_the_looks_through_all_processes() -> None:
    looks: list[set[str]] = []
    # Until the others have come, and then for all of them.
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def kill(marks: Collection[str]) -> None:
        looks.append(set(marks))
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(timeout=60)

    end = Ending(kill)
    first = asyncio.create_task(end("0"))
    await begun.wait()
    others = [asyncio.create_task(end(str(number))) for number in range(1, 30)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *others)
    assert looks[0] == {"0"}
    assert [look - {"0"} for look in looks[1:]] == [{str(number) for number in range(1, 30)}]
    await end("last")
    assert looks[2] == {"last"}
