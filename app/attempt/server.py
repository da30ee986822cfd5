"""`python -m app.attempt.server MODULE...`: forks a process for each attempt that the worker asks for.

An attempt's own work often takes less time than its imports. This process imports the modules once, and then does
nothing but fork. It never reads a job, so nothing in its memory is secret, and no attempt finds anything of another.

It and the worker speak as `app.domain.fork_protocol` says, over its standard input. It ends with the worker, and each
attempt ends with it.
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import msgspec
import setproctitle

from app.attempt.__main__ import main as run_attempt
from app.connectors.kinds import complete_models
from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, LINES_FD_VARIABLE
from app.domain.fork_protocol import (
    DESCRIPTORS,
    LONGEST_PACKET,
    Answer,
    Ended,
    Refused,
    Release,
    Request,
    Start,
    Started,
)
from app.hiding import hide_from_others
from app.lifeline import MARK_VARIABLE, follow_parent, mark_argument

if TYPE_CHECKING:
    from collections.abc import Iterable

_TITLE: Final = "syncline attempt"
# When memory is short, the kernel ends attempts before the worker and the database. An attempt has more memory than
# this process, which it inherits the value from.
_OUT_OF_MEMORY_SCORE: Final = 500

_decoder: Final = msgspec.json.Decoder(Request)
_encoder: Final = msgspec.json.Encoder()


class _Attempt(NamedTuple):
    request: int
    pid: int


class AttemptServer:
    """Forks attempts, and says when they have ended."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._pid = os.getpid()
        self._poll = select.poll()
        self._poll.register(worker, select.POLLIN)
        # By their pidfd. Ended ones stay children, so that no other process gets their number, until the worker
        # has killed what is left of their process group.
        self._running: dict[int, _Attempt] = {}
        self._ended: dict[int, _Attempt] = {}
        self._released: set[int] = set()

    def serve(self) -> None:
        """Answer requests until the worker closes the socket."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._running:
                    self._tell_end(descriptor)
                elif not self._answer():
                    return

    def _answer(self) -> bool:
        """Answer one request; False if no more will come."""
        packet, descriptors, flags, _ = socket.recv_fds(
            self._worker, LONGEST_PACKET, len(DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
        )
        if not packet:
            return False
        try:
            match _decoder.decode(packet):
                case Start() as start if flags & socket.MSG_CTRUNC or len(descriptors) != len(DESCRIPTORS):
                    self._send(Refused(start.request, "too many open files"))
                case Start() as start:
                    self._start(start, descriptors)
                case Release(request):
                    self._release(request)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _start(self, start: Start, descriptors: list[int]) -> None:
        # What a thread holds at the moment of a fork, the child would wait for in vain.
        if (threads := _count_threads()) > 1:
            self._send(Refused(start.request, f"a library has started threads, {threads} in all"))
            return
        try:
            pid = os.fork()
        except OSError as error:
            self._send(Refused(start.request, f"fork failed: {error.strerror}"))
            return
        if pid == 0:
            _become(start, descriptors, server=self._pid)
        pidfd = os.pidfd_open(pid)
        self._running[pidfd] = _Attempt(start.request, pid)
        self._poll.register(pidfd, select.POLLIN)
        self._send(Started(start.request, pid))

    def _tell_end(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        os.close(pidfd)
        attempt = self._running.pop(pidfd)
        self._ended[attempt.request] = attempt
        self._send(Ended(attempt.request, _exit_code(attempt.pid)))
        if attempt.request in self._released:
            self._release(attempt.request)

    def _release(self, request: int) -> None:
        if attempt := self._ended.pop(request, None):
            os.waitpid(attempt.pid, 0)
            self._released.discard(request)
        else:  # it was killed, and has not ended yet
            self._released.add(request)

    def _send(self, answer: Answer) -> None:
        with suppress(BrokenPipeError):  # the next look at the socket finds it closed
            self._worker.send(_encoder.encode(answer))


def _exit_code(pid: int) -> int:
    """That of a child that has ended and stays; negative for a signal."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if found is None:
        raise AssertionError
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _become(start: Start, descriptors: list[int], *, server: int) -> NoReturn:
    """Be the attempt, as if it had been started with an interpreter of its own, and exit."""
    try:
        os.setsid()
        setproctitle.setproctitle(f"{_TITLE} {mark_argument(start.mark)}")
        follow_parent(signal.SIGKILL)
        if os.getppid() != server:  # it ended before the kernel knew
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        messages, lines = descriptors[3:]
        _close_all_but({0, 1, 2, messages, lines})
        own = {EVENTS_FD_VARIABLE: str(messages), LINES_FD_VARIABLE: str(lines), MARK_VARIABLE: start.mark}
        # Python itself has set it if nothing else says which encoding texts have, PEP 538.
        coerced = {name: value for name, value in os.environ.items() if name == "LC_CTYPE"}
        os.environ.clear()
        os.environ.update(coerced | start.environment | own)
        time.tzset()
        code = run_attempt()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 -- nothing may return into the server's loop
        traceback.print_exc()
        code = 1
    _exit(code)


def _exit(code: int) -> NoReturn:
    """Without tearing down what was imported: that takes longer than many an attempt, and touches all its memory.

    Some libraries also complain about what is left then.
    """
    with suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001 -- what modules of users have asked for
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    """Close what was inherited, from a start script of the worker for example, or is the server's own."""
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number not in kept:
            with suppress(OSError):  # that of the directory itself
                os.close(number)


def _count_threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _import_all(modules: Iterable[str]) -> None:
    """An import that fails is an error of the attempts that need it, which says more."""
    for name in modules:
        with suppress(Exception):
            import_module(name)


def _yield_memory_first() -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OUT_OF_MEMORY_SCORE))


def main(modules: list[str]) -> int:
    """0 when the worker is gone or needs this process no more."""
    _yield_memory_first()  # once hidden, only root may
    hide_from_others()
    follow_parent(signal.SIGKILL)
    # Ends at once if the worker has ended before that: the other end is closed.
    worker = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    _close_all_but({0, 1, 2, worker.fileno()})
    _import_all(["app.attempt.process", *modules])
    complete_models()
    # So that no collection in an attempt touches, and thereby copies, what all of them share.
    gc.collect()
    gc.freeze()
    AttemptServer(worker).serve()
    return 0


if __name__ == "__main__":
    _exit(main([argument for argument in sys.argv[1:] if "=" not in argument]))
