"""The pipes to and from an attempt, on both kinds of event loops."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from app.domain.attempt_protocol import LogLine, TryDestination
from app.domain.errors import SynclineError
from app.execution.child import AttemptProcess, _Pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

JOB = TryDestination("there", {"password": "hunter2-hunter2"}, "data")
# It says `hidden`, though it is not: so others may look into it.
OPENING = """
import json, os, sys
events = os.fdopen(int(os.environ["SYNCLINE_EVENTS_FD"]), "w", buffering=1)
events.write('{"type": "hidden"}\\n')
try:
    open("/proc/self/fd/0")
except OSError as error:
    events.write(json.dumps({"type": "log", "level": "info", "message": f"{error.strerror}: {sys.stdin.read()}"}))
    events.write("\\n")
"""

on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


async def start_and_end(receive: Callable[[Any], None]) -> int:
    child = await AttemptProcess.start(JOB, {"PATH": os.environ["PATH"]})
    async for message in child.messages():
        receive(message)
    exit_code = await child.exit_code()
    await child.end(grace_seconds=0)
    child.close()
    return exit_code


@on_both_loops
def test_a_process_that_does_not_say_that_it_is_hidden_gets_no_job(
    run: Callable[[Coroutine[Any, Any, int]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.processes.COMMAND", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    monkeypatch.setattr("app.execution.child._LONGEST_START_SECONDS", 0.1)
    with pytest.raises(SynclineError, match=r"did not begin to run within 0\.1 s"):
        run(start_and_end(print))


@on_both_loops
def test_the_exit_code_of_a_process_that_ends_without_its_job_counts(
    run: Callable[[Coroutine[Any, Any, int]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.processes.COMMAND", ("sh", "-c", "exit 7"))
    assert run(start_and_end(print)) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux opens what a process has open for others")
@on_both_loops
def test_nobody_can_open_where_the_job_comes_from(
    run: Callable[[Coroutine[Any, Any, int]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.processes.COMMAND", (sys.executable, "-c", OPENING))
    messages: list[Any] = []
    assert run(start_and_end(messages.append)) == 0
    [said] = messages
    assert isinstance(said, LogLine)
    assert said.message.startswith("No such device or address: {")
    assert "hunter2" in said.message


@pytest.mark.parametrize(("run", "closes_itself"), [(asyncio.run, True), (uvloop.run, False)])
def test_a_pipe_is_closed_once(run: Callable[..., None], *, closes_itself: bool) -> None:
    """A second time would close what another thread has opened meanwhile under the same number."""

    async def open_and_close() -> None:
        pipe = await _Pipe.open()
        file = pipe._transport.get_extra_info("pipe")
        descriptor = file.fileno()
        assert file.closefd is closes_itself
        pipe.close()
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    run(open_and_close())
