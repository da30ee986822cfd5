"""Processes that cannot outlive the one that started them.

On Linux the kernel enforces this, even if the parent is killed. Elsewhere the parent cleans up on exit, or the next
worker does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import uuid
from collections import defaultdict, deque
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from signal import Signals

    import psutil

MARK_VARIABLE: Final = "SYNCLINE_ATTEMPT"
"""In the environment of what an attempt starts: who has started the attempt."""

GUARD_VARIABLE: Final = "SYNCLINE_GUARD"
"""Set in the environment of a helper that cleans up after an attempt; it is not killed, because it exits by itself."""

_MARK_ARGUMENT: Final = f"{MARK_VARIABLE}="

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
# Loaded before any fork: between fork and exec nothing may be imported and no lock be taken.
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None

# A process that the kernel does not let go (a dead network file system) is not waited for longer.
_PATIENCE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.01


def end_with_parent(number: Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the new program gets this signal as soon as the thread that starts it ends, prctl(2)."""
    return partial(_follow, os.getpid(), number) if _libc else None


def follow_parent(number: Signals) -> None:
    """The same, called by the started process itself.

    A parent that ended before this call is not noticed: check for it afterwards.
    """
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> bool:
    """From now on a descendant that loses its parent becomes a child of this process: nobody can leave its tree.

    False if the kernel cannot do that.
    """
    return _libc is not None and _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def children_elsewhere(known: Collection[int] = ()) -> dict[int, str]:
    """The children of this process in other sessions than its own, with their names: running, or not waited for.

    Without those that are `known`, and helpers. Nobody can enter a session from outside. With those in the own session
    that have ended and that this process has only adopted, because nobody else waits for them.
    """
    import psutil  # noqa: PLC0415 -- an attempt never needs it, and it takes a while

    own, found = os.getsid(0), {}
    for child in psutil.Process().children():
        with suppress(psutil.Error, ProcessLookupError):
            is_elsewhere = os.getsid(child.pid) != own or _is_left_over(child)
            if is_elsewhere and child.pid not in known and GUARD_VARIABLE not in _environment(child):
                found[child.pid] = child.name()
    return found


def _is_left_over(child: psutil.Process) -> bool:
    """Whether it has ended, and was started by a program with a process group of its own."""
    return os.getpgid(child.pid) not in (child.pid, os.getpgid(0)) and not _runs(child)


def kill_or_reap(pid: int) -> bool:
    """Kill a child that runs, which is then True, or take notice of its end. Does nothing if it is not a child."""
    with suppress(ChildProcessError, PermissionError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def end_own_descendants() -> None:
    """Kill everything that this process has started or adopted, and wait for it."""
    with suppress(ChildProcessError):
        # Usually there are no children, and this costs one system call.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        end_descendants([os.getpid()])
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def end_descendants(ancestors: Collection[int]) -> None:
    """Kill everything below these processes, which must start nothing more: whole if they adopt orphans."""
    _kill_until_none(lambda: _below(ancestors))


def new_mark() -> str:
    """A mark for what this process starts now."""
    return f"{_own_name()}/{uuid.uuid4().hex}"


def mark_argument(mark: str) -> str:
    """The mark as an argument, for a process that shows its environment to nobody."""
    return f"{_MARK_ARGUMENT}{mark}"


def end_marked(marks: Collection[str]) -> None:
    """Kill the processes that have one of these marks, wherever they went."""
    _kill_until_none(lambda: [pid for pid, found in _marks() if found in marks])


def end_abandoned() -> None:
    """Kill the marked processes whose starter is gone, because it was killed too."""
    _kill_until_none(lambda: [pid for pid, found in _marks() if _is_abandoned(found)])


def _follow(parent: int, number: Signals) -> None:
    follow_parent(number)
    if os.getppid() != parent:  # the parent ended before the kernel knew
        os._exit(1)


def _kill_until_none(find: Callable[[], list[int]]) -> None:
    """Again and again: what is found may start something before it is dead."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (found := find()) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def _below(ancestors: Collection[int]) -> list[int]:
    import psutil  # noqa: PLC0415 -- an attempt needs it only if it has left something behind, and it takes a while

    children = defaultdict(list)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            children[process.ppid()].append(process)
    below: list[psutil.Process] = []
    above = deque(ancestors)
    while above:
        found = children.pop(above.popleft(), [])
        below += found
        above += (each.pid for each in found)
    return [each.pid for each in below if _runs(each) and GUARD_VARIABLE not in _environment(each)]


def _marks() -> Iterator[tuple[int, str]]:
    """(process, its mark)."""
    import psutil  # noqa: PLC0415 -- likewise

    for process in psutil.process_iter():
        mark = _environment(process).get(MARK_VARIABLE) or _mark_among_arguments(process)
        if mark and _runs(process):
            yield process.pid, mark


def _mark_among_arguments(process: psutil.Process) -> str:
    import psutil  # noqa: PLC0415 -- likewise

    with suppress(psutil.Error, OSError):
        # A process that was forked has one text with all of its title instead of arguments.
        words = " ".join(process.cmdline()).split()
        marks = [each for each in words if each.startswith(_MARK_ARGUMENT)]
        return marks[0].removeprefix(_MARK_ARGUMENT) if marks else ""
    return ""


def _environment(process: psutil.Process) -> dict[str, str]:
    """Empty for a process that has ended, hides it, or is somebody else's."""
    import psutil  # noqa: PLC0415 -- likewise

    with suppress(psutil.Error, OSError):
        return process.environ()
    return {}


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended: nobody may have waited for it yet."""
    import psutil  # noqa: PLC0415 -- likewise

    with suppress(psutil.Error):
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return False


def _is_abandoned(mark: str) -> bool:
    namespace, _, rest = mark.partition("/")
    pid, _, rest = rest.partition("/")
    # In another namespace the same number is another process.
    return namespace == _namespace() and pid.isdecimal() and _started_at(int(pid)) != rest.partition("/")[0]


def _own_name() -> str:
    return f"{_namespace()}/{os.getpid()}/{_started_at(os.getpid())}"


@cache
def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return "none"


def _started_at(pid: int) -> str:
    """When a process has started, which tells it from others of its number; empty if it has ended."""
    import psutil  # noqa: PLC0415 -- likewise

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if _runs(process):
            # Linux knows it from the boot on, and what time the boot was changes whenever the clock is set.
            boot = psutil.boot_time() if psutil.LINUX else 0
            # In clock ticks, as releases before say it: their attempts may run on this machine.
            return str(round((process.create_time() - boot) * os.sysconf("SC_CLK_TCK")))
    return ""
