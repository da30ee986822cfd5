"""Forks below libfaketime that never become another program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from app.loops import running_alongside
from tests.chaos import clock

if TYPE_CHECKING:
    import pytest

# It has a child that is another program, and a fork that waits forever, as one that waits for a lock does.
PARENT = """
import os, signal, subprocess
other = subprocess.Popen(["sleep", "600"])
fork = os.fork()
if fork == 0:
    signal.pause()
print(other.pid, flush=True)
_, status = os.waitpid(fork, 0)
print(os.waitstatus_to_exitcode(status), other.poll(), flush=True)
other.kill()
other.wait()
"""


async def test_a_fork_that_stays_one_is_killed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_LONGEST_FORK_SECONDS", 0.5)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    try:
        assert parent.stdout is not None
        await parent.stdout.readline()
        async with running_alongside(clock.free_forks(lambda: parent.pid)):
            assert await parent.stdout.readline() == f"{-signal.SIGKILL} None\n".encode()
        assert await parent.wait() == os.EX_OK
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
