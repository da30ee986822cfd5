"""Attempts that a server has forked: each is like one with an interpreter of its own, and ends with the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
import uvloop
from structlog.testing import capture_logs

from app.connectors.kinds import LIGHT_MODULES, modules_of
from app.domain.attempt_protocol import Check, Checked, Finished, LogLine, TryDestination
from app.domain.collection import CollectionJob
from app.domain.errors import SynclineError
from app.execution.child import AttemptProcess, finish
from app.execution.fork_server import ForkServer, ServerLostError
from app.execution.forking import FORK_SERVERS
from app.execution.questions import Redacting, ask
from tests.harness import PATIENCE_SECONDS, until
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each attempt has an interpreter of its own")
on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])

# A function of a user, which says in what kind of process it is imported.
FACTS = """
import json, os, random, signal, sys, tempfile, time, uuid
print(json.dumps({
    "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "group": os.getpgid(0),
    "descriptors": {name: os.readlink(f"/proc/self/fd/{name}").partition(":")[0]
                    for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")},
    "environment": dict(os.environ), "zone": time.tzname[0], "directory": os.getcwd(), "mask": oct(os.umask(0o22)),
    "blocked": [number.name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "random": [random.random(), str(uuid.uuid4()), os.path.basename(tempfile.mktemp())],
    "threads": len(os.listdir("/proc/self/task")), "title": open("/proc/self/cmdline").read(),
    "out of memory": int(open("/proc/self/oom_score_adj").read()),
}))
print("to standard error", file=sys.stderr)
def rows(): ...
"""
WAITING = "import time; print('waits', flush=True); time.sleep(600)\ndef rows(): ..."
LEAVING = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
AT_EXIT = "import atexit; atexit.register(print, 'goodbye'); print('not flushed yet', end='')\ndef rows(): ..."
LEAVING_EARLY = "import os; os._exit(3)"
THREADS = "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"


def importing(directory: Path, code: str) -> Check:
    """A job that imports this code."""
    (directory / "facts.py").write_text(textwrap.dedent(code))
    return Check(
        source="s",
        source_type="python",
        source_config={"function": "facts:rows", "path": [str(directory)]},
        collections=[CollectionJob(name="c", type="c", table_name="c", start_date="2020-01-01")],
        data_dir=str(directory / "data"),
    )


class Carried:
    """An attempt that runs: its lines, its messages and its exit code."""

    def __init__(self, process: AttemptProcess) -> None:
        self.process = process
        self.lines: list[str] = []
        self.messages: list[Any] = []
        self._texts = asyncio.create_task(process.free_text(self._write))

    @property
    def pid(self) -> int:
        return self.process._process.pid

    async def _write(self, line: LogLine) -> None:
        self.lines.append(line.message)

    async def waits(self) -> bool:
        return "waits" in self.lines

    async def end(self) -> int:
        self.messages += [message async for message in self.process.messages()]
        code = await self.process.exit_code()
        await finish(self.process, self._texts, grace_seconds=0)
        return code


async def carry_out(job: Any, environment: dict[str, str] | None = None) -> tuple[int, Carried]:
    carried = Carried(await AttemptProcess.start(job, os.environ if environment is None else environment))
    return await carried.end(), carried


def light_server() -> ForkServer:
    return FORK_SERVERS._servers[LIGHT_MODULES]


async def facts_of(directory: Path, **environment: str) -> dict[str, Any]:
    code, carried = await carry_out(importing(directory, FACTS), {**os.environ, **environment})
    assert code == 0
    assert isinstance(carried.messages[-1], Finished)
    assert carried.lines.pop() == "to standard error" or "to standard error" in carried.lines
    return next(json.loads(line) for line in carried.lines if line.startswith("{"))


@on_both_loops
def test_a_forked_attempt_is_as_one_with_an_interpreter_of_its_own(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    # It is the other attempts' business what else the worker has open.
    opened = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(opened, True)  # noqa: FBT003 -- positional only

    async def compare() -> None:
        fresh = await facts_of(tmp_path, TZ="Asia/Tokyo", UV_OFFLINE="1")
        async with FORK_SERVERS.open():
            forked, other = [await facts_of(tmp_path, TZ="Asia/Tokyo", UV_OFFLINE="1") for _ in range(2)]
            server = light_server().pid
        assert forked["parent"] == other["parent"] == server
        for facts in (fresh, forked):
            assert facts["pid"] == facts["session"] == facts["group"]
            assert facts["zone"] == "JST"
            assert facts["blocked"] == []
            assert "SYNCLINE_ATTEMPT=" in facts["title"]
        for what in ("directory", "mask", "zone"):
            assert fresh[what] == forked[what]
        assert fresh["environment"].keys() == forked["environment"].keys()
        assert forked["environment"]["SYNCLINE_ATTEMPT"] in forked["title"]
        assert forked["environment"]["SYNCLINE_ATTEMPT"] != other["environment"]["SYNCLINE_ATTEMPT"]
        kinds = Counter("workspace" if "/attempts/" in each else each for each in forked["descriptors"].values())
        assert kinds == {"socket": 1, "pipe": 4, "workspace": 1}
        assert not set(forked["random"]) & set(other["random"])
        assert forked["threads"] == 1  # a fresh one has that of a memory allocator
        assert forked["out of memory"] == 500

    try:
        run(compare())
    finally:
        os.close(opened)


@on_both_loops
def test_exit_codes_signals_and_last_words_are_those_of_the_attempt(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def carry_out_all() -> None:
        async with FORK_SERVERS.open():
            code, _ = await carry_out(importing(tmp_path, LEAVING))
            assert code == -signal.SIGKILL
            code, said = await carry_out(importing(tmp_path, AT_EXIT))
            assert (code, said.lines) == (0, ["not flushed yetgoodbye"])
            code, _ = await carry_out(importing(tmp_path, LEAVING_EARLY))
            assert code == 3
            assert light_server().forks == 3

    run(carry_out_all())


async def test_the_server_has_one_thread_and_nothing_random_that_its_attempts_would_share() -> None:
    """In a process that has imported what the server imports."""
    code = """
    import gc, os, random, sys
    from app.attempt import server
    server._import_all(["app.attempt.process", *sys.argv[1:]])
    print(len(os.listdir("/proc/self/task")))
    shared = [each for each in gc.get_objects() if isinstance(each, random.Random)]
    print([each for each in shared if type(each) is random.Random and each is not random._inst])
    print("numpy" in sys.modules)
    """
    from app.execution.fork_server import _SETTINGS  # noqa: PLC0415

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(code),
        *LIGHT_MODULES,
        env={"PATH": os.environ["PATH"], **_SETTINGS},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert output.decode().split("\n") == ["1", "[]", "False", ""]


@asynccontextmanager
async def waiting(directory: Path) -> AsyncIterator[Carried]:
    """An attempt that a server has forked, and that waits."""
    carried = Carried(await AttemptProcess.start(importing(directory, WAITING), os.environ))
    await until(carried.waits)
    yield carried


@on_both_loops
def test_attempts_end_with_their_server_and_say_so(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def kill_server() -> None:
        async with FORK_SERVERS.open(), waiting(tmp_path) as carried:
            first = light_server()
            with capture_logs() as logs:
                os.kill(first.pid, signal.SIGKILL)
                assert await carried.end() == -signal.SIGKILL
            assert carried.process.was_lost
            await until(lambda: _is_gone(carried.pid))
            [died] = [line for line in logs if line["event"] == "attempt_server.died"]
            assert (died["exit_code"], died["attempts"], died["again"]) == (-signal.SIGKILL, 1, "in 0.5 s")
            # Until then with an interpreter of its own, and after that by a new server.
            code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)))
            assert code == 0
            await until(_has_another_server(first, tmp_path))

    run(kill_server())


async def test_a_question_whose_server_dies_says_so(tmp_path: Path) -> None:
    async with FORK_SERVERS.open(keep=LIGHT_MODULES):
        server = light_server()
        asked = asyncio.create_task(ask(importing(tmp_path, WAITING), Checked, print, Redacting(str, str)))

        async def runs() -> bool:
            return bool(server._running)

        await until(runs)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(
            SynclineError, match="the process that had forked the connector ended unexpectedly; try again"
        ):
            await asked


async def _is_gone(pid: int) -> bool:
    return not is_alive(pid)


def _has_another_server(first: ForkServer, directory: Path) -> Callable[[], Awaitable[bool]]:
    async def has() -> bool:
        code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(directory)))
        assert code == 0
        return FORK_SERVERS._servers.get(LIGHT_MODULES) not in (None, first)

    return has


async def test_after_three_quick_deaths_attempts_get_interpreters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.forking._FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("app.execution.fork_server._COMMAND", ("sh", "-c", "exit 9"))
    again: list[str] = []
    async with FORK_SERVERS.open():
        for _ in range(3):
            with capture_logs() as logs, pytest.raises(ServerLostError):
                await AttemptProcess.start(TryDestination("there", {"type": "none"}, str(tmp_path)), os.environ)
            again += [line["again"] for line in logs if line["event"] == "attempt_server.died"]
        code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)))
    assert code == 0
    assert again == ["in 0 s", "in 0 s", "never: from now on each attempt starts an interpreter"]


async def test_a_server_with_threads_forks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "threaded.py").write_text(THREADS)
    monkeypatch.setattr("app.execution.child.modules_of", lambda *_: ("threaded",))
    monkeypatch.setitem(ForkServer.launch.__globals__["_SETTINGS"], "PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    with capture_logs() as logs:
        async with FORK_SERVERS.open():
            for _ in range(2):
                code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)))
                assert code == 0
    [refused] = [line for line in logs if line["event"] == "attempt_server.refused"]
    assert refused["reason"] == "a library has started threads, 2 in all"


async def test_an_environment_that_is_too_large_to_send_is_given_to_an_interpreter(tmp_path: Path) -> None:
    async with FORK_SERVERS.open():
        # The kernel allows 128 KiB for one variable.
        large = dict.fromkeys(("UV_CONFIG_FILE", "PIP_CONFIG_FILE", "NETRC"), "x" * 100000)
        code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)), {**os.environ, **large})
    assert code == 0


async def test_an_attempt_that_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    async with FORK_SERVERS.open(keep=LIGHT_MODULES):
        server = light_server()
        # Stopped, it cannot answer before the cancellation.
        os.kill(server.pid, signal.SIGSTOP)
        job = TryDestination("there", {"type": "none"}, str(tmp_path))
        starting = asyncio.create_task(AttemptProcess.start(job, os.environ))
        await until(lambda: _is_busy(server))
        starting.cancel()
        await asyncio.wait([starting])
        os.kill(server.pid, signal.SIGCONT)
        await until(lambda: _is_idle(server))
        await until(lambda: _has_no_children(server))


async def test_a_server_that_does_not_answer_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.execution.fork_server._LONGEST_ANSWER_SECONDS", 0.1)
    job = TryDestination("there", {"type": "none"}, str(tmp_path))
    async with FORK_SERVERS.open(keep=LIGHT_MODULES):
        first = light_server()
        os.kill(first.pid, signal.SIGSTOP)
        with pytest.raises(ServerLostError, match=r"did not answer within 0\.1 s"):
            await AttemptProcess.start(job, os.environ)
        monkeypatch.setattr("app.execution.fork_server._LONGEST_ANSWER_SECONDS", PATIENCE_SECONDS)
        code, _ = await carry_out(job)
        assert code == 0
        assert light_server() is not first
        os.kill(first.pid, signal.SIGCONT)


async def _is_busy(server: ForkServer) -> bool:
    return server.is_busy


async def _is_idle(server: ForkServer) -> bool:
    return not server.is_busy


async def _has_no_children(server: ForkServer) -> bool:
    return not psutil.Process(server.pid).children()


async def test_heavy_libraries_are_in_a_server_of_their_own_which_ends_when_it_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy = modules_of(None, ["duckdb"])
    assert "duckdb" in heavy
    assert not any("duckdb" in module for module in LIGHT_MODULES)
    monkeypatch.setattr("app.execution.forking._IDLE_SECONDS", 0.1)
    async with FORK_SERVERS.open(keep=LIGHT_MODULES):
        code, _ = await carry_out(
            TryDestination("there", {"type": "duckdb", "path": str(tmp_path / "d")}, str(tmp_path))
        )
        assert code == 0
        code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)))
        assert code == 0
        pid = light_server().pid

        async def is_alone() -> bool:
            return list(FORK_SERVERS._servers) == [LIGHT_MODULES]

        await until(is_alone)
        assert is_alive(pid)


async def test_a_changed_installation_gets_a_new_server_and_the_old_one_keeps_its_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FORK_SERVERS.open(keep=LIGHT_MODULES), waiting(tmp_path) as carried:
        first = light_server()
        monkeypatch.setattr("app.execution.forking._installation", lambda: (0,))
        code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)))
        assert code == 0
        assert light_server() is not first
        assert is_alive(carried.pid)
        await carried.process.end(grace_seconds=0)
        await carried.end()
        assert not carried.process.was_lost
        await until(lambda: _is_gone(first.pid))


FORKING: Final = """
import asyncio, os, sys
from app.connectors.kinds import LIGHT_MODULES
from app.domain.attempt_protocol import Check
from app.domain.collection import CollectionJob
from app.execution.child import AttemptProcess
from app.execution.forking import FORK_SERVERS

async def main():
    async with FORK_SERVERS.open(keep=LIGHT_MODULES):
        child = await AttemptProcess.start(Check(
            source="s", source_type="python", source_config={"function": "facts:rows", "path": [sys.argv[1]]},
            collections=[CollectionJob(name="c", type="c", table_name="c", start_date="2020-01-01")],
            data_dir=sys.argv[1] + "/data",
        ), os.environ)
        async def say(line):
            print(FORK_SERVERS._servers[LIGHT_MODULES].pid, child._process.pid, flush=True)
        await child.free_text(say)

asyncio.run(main())
"""


async def test_the_server_and_its_attempts_end_with_the_worker(tmp_path: Path) -> None:
    importing(tmp_path, WAITING)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORKING, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    pids = [int(pid) for pid in (await worker.stdout.readline()).split()]
    assert all(map(is_alive, pids))
    worker.kill()
    await worker.wait()
    for pid in pids:
        await until(lambda pid=pid: _is_gone(pid))  # type: ignore[misc]


async def test_ctrl_c_reaches_neither_the_server_nor_its_attempts(tmp_path: Path) -> None:
    async with FORK_SERVERS.open(keep=LIGHT_MODULES), waiting(tmp_path) as carried:
        assert len({os.getsid(pid) for pid in (0, light_server().pid, carried.pid)}) == 3
        await carried.process.end(grace_seconds=0)
        await carried.end()


def test_nothing_is_forked_where_it_is_not_possible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("app.execution.forking.sys.platform", "darwin")

    async def carry_out_one() -> int:
        async with FORK_SERVERS.open(keep=LIGHT_MODULES):
            assert FORK_SERVERS._servers == {}
            code, _ = await carry_out(TryDestination("there", {"type": "none"}, str(tmp_path)))
        return code

    assert asyncio.run(carry_out_one()) == 0
