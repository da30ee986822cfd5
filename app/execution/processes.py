"""The process of an attempt, however it was started, and the way to start one with an interpreter of its own."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, LINES_FD_VARIABLE
from app.execution.orphans import ORPHANS
from app.lifeline import MARK_VARIABLE, mark_argument

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND: Final = (sys.executable, "-m", "app.attempt")


class Descriptors(NamedTuple):
    """The attempt's ends of the pipes to and from it, in the order of `fork_protocol.DESCRIPTORS`."""

    stdin: int
    stdout: int
    stderr: int
    messages: int
    lines: int


class RunningProcess(Protocol):
    """A running process, which leads a session and a process group of its own."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: int, /) -> None: ...


async def start_interpreter(mark: str, environment: Mapping[str, str], descriptors: Descriptors) -> RunningProcess:
    """Start a Python interpreter for an attempt."""
    own = {
        EVENTS_FD_VARIABLE: str(descriptors.messages),
        LINES_FD_VARIABLE: str(descriptors.lines),
        MARK_VARIABLE: mark,
    }
    with ORPHANS.starting() as started:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            mark_argument(mark),
            stdin=descriptors.stdin,
            stdout=descriptors.stdout,
            stderr=descriptors.stderr,
            pass_fds=(descriptors.messages, descriptors.lines),
            env={**environment, **own},
            start_new_session=True,
        )
        started(process.pid)
    return process
