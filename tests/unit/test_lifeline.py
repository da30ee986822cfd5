"""A process does not outlive the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.lifeline import MARK_VARIABLE, end_abandoned, end_descendants, end_marked, new_mark
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")

STARTER = """
import signal, subprocess, sys
from app.lifeline import end_with_parent
follow = end_with_parent(signal.SIGTERM)
subprocess.Popen(["sh", "-c", "echo started; exec sleep 600"], preexec_fn=follow)
sys.stdin.read()
"""

TOO_LATE = """
import os, signal, subprocess
from app.lifeline import end_with_parent
follow = end_with_parent(signal.SIGTERM)
if os.fork():
    os.wait()
else:  # as if the one who asked were gone: its process is not the parent of what is started here
    subprocess.run(["echo", "started"], preexec_fn=follow)
"""


def test_a_killed_starter_takes_its_program_along() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout
    assert starter.stdout.readline() == b"started\n"
    starter.kill()
    # The program holds the other end of this pipe for as long as it lives.
    assert starter.communicate(timeout=60)[0] == b""


def test_a_program_whose_starter_is_gone_already_does_not_begin() -> None:
    ended = subprocess.run([sys.executable, "-c", TOO_LATE], capture_output=True, check=True, timeout=60)
    assert ended.stdout == b""


# Starts a process in a session of its own, whose parent then ends at once: its number is the first line.
LEAVES_A_DAEMON = """
import os, subprocess, sys
from app.lifeline import adopt_orphans, end_own_descendants
if "adopts" in sys.argv:
    adopt_orphans()
if os.fork():
    sys.stdin.read()
    end_own_descendants()
    end_own_descendants()
    os._exit(7)
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
print(subprocess.Popen(sleeping, start_new_session=True, stdin=subprocess.DEVNULL).pid, flush=True)
"""


@contextmanager
def leaving_a_daemon(*arguments: str, mark: str = "") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVES_A_DAEMON, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {MARK_VARIABLE: mark},
    )
    assert process.stdout
    with process:
        daemon = int(process.stdout.readline())
        assert is_alive(daemon)
        try:
            yield process, daemon
        finally:
            process.kill()
            if is_alive(daemon):
                os.kill(daemon, signal.SIGKILL)


def test_nobody_leaves_the_tree_of_a_process_that_adopts_orphans() -> None:
    with leaving_a_daemon("adopts") as (process, daemon):
        end_descendants([process.pid])
        assert not is_alive(daemon)
        assert is_alive(process.pid)


def test_a_process_ends_all_that_it_has_started() -> None:
    with leaving_a_daemon("adopts") as (process, daemon):
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=60) == 7
        assert not is_alive(daemon)


# Children in the session of their parent, in one of their own, and one that cleans up there.
CHILDREN = """
import os, subprocess, sys
from app.lifeline import GUARD_VARIABLE, children_elsewhere, kill_or_reap
def start(elsewhere, **environment):
    return subprocess.Popen(["sleep", "600"], start_new_session=elsewhere, env=os.environ | environment)
near, far, known, guard = start(False), start(True), start(True), start(True, **{GUARD_VARIABLE: "x"})
assert children_elsewhere({known.pid}) == {far.pid: "sleep"}, children_elsewhere()
assert kill_or_reap(far.pid)
os.waitid(os.P_PID, far.pid, os.WEXITED | os.WNOWAIT)
assert children_elsewhere({known.pid}) == {far.pid: "sleep"}, "it was not waited for yet"
assert not kill_or_reap(far.pid)
assert children_elsewhere({known.pid}) == {}
assert not kill_or_reap(far.pid), "no child any more"
guard.kill()
os.waitid(os.P_PID, guard.pid, os.WEXITED | os.WNOWAIT)
assert list(children_elsewhere({known.pid})) == [guard.pid], "somebody must wait for it"
for child in (near, known):
    child.kill()
    child.wait()
"""


def test_children_in_other_sessions_are_killed_and_waited_for_by_number() -> None:
    done = subprocess.run([sys.executable, "-c", CHILDREN], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# A program with a group of its own starts another one and ends; both are ours then, one by adoption.
ADOPTED = """
import os, subprocess, sys, time
from app.lifeline import adopt_orphans, children_elsewhere, kill_or_reap
adopt_orphans()
program = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!"], process_group=0, stdout=subprocess.PIPE)
adopted = int(program.stdout.readline())
os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
assert children_elsewhere() == {}, "one runs, and this process waits for the other"
os.kill(adopted, 9)
os.waitid(os.P_PID, adopted, os.WEXITED | os.WNOWAIT)
assert children_elsewhere() == {adopted: "sleep"}
assert not kill_or_reap(adopted)
assert children_elsewhere() == {}
assert program.wait() == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a process adopts orphans")
def test_what_a_program_of_ours_leaves_behind_is_waited_for_when_it_has_ended() -> None:
    done = subprocess.run([sys.executable, "-c", ADOPTED], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_left_the_tree_is_found_by_its_mark() -> None:
    mark = new_mark()
    with leaving_a_daemon(mark=mark) as (process, daemon):
        end_marked([mark + "x"])
        end_abandoned()
        assert is_alive(daemon), "its starter is here"
        end_marked([mark])
        assert not is_alive(daemon)
        assert not is_alive(process.pid)


def test_a_mark_names_its_starter_as_releases_before_do() -> None:
    """A worker would kill the attempts of another release beside it if it took their starter for gone."""
    pid, started = new_mark().split("/")[1:3]
    assert started == Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_the_marked_processes_of_a_starter_that_was_killed_are_ended_by_the_next_one() -> None:
    says_its_mark = "from app.lifeline import new_mark; print(new_mark())"
    said = subprocess.run([sys.executable, "-c", says_its_mark], capture_output=True, text=True, check=True)
    mark = said.stdout.strip()
    with leaving_a_daemon(mark=f"1{mark}") as (_, daemon):
        end_abandoned()
        assert is_alive(daemon), "in another namespace the starter's number says nothing"
    with leaving_a_daemon(mark=mark) as (_, daemon):
        end_abandoned()
        assert not is_alive(daemon)


def test_an_attempt_that_has_left_nothing_behind_does_not_wait_for_the_library_that_looks_for_it() -> None:
    attempt = "import sys; import app.attempt.process; app.attempt.process.end_own_descendants(); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", attempt], capture_output=True, text=True, check=True)
    assert "app.lifeline" in said.stdout.split()
    assert "psutil" not in said.stdout.split()
