"""The worker's end of an attempt server: `app.attempt.server`, which forks attempts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from app.domain.errors import SynclineError
from app.domain.fork_protocol import LONGEST_PACKET, Answer, Ended, Refused, Release, Start, Started
from app.domain.inherited_environment import attempt_environment
from app.execution.orphans import ORPHANS
from app.lifeline import MARK_VARIABLE, mark_argument, new_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.execution.processes import Descriptors

_COMMAND: Final = (sys.executable, "-m", "app.attempt.server")
# Libraries that start threads when they are imported would make a fork unsafe.
_SETTINGS: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "DLT_DISABLE_PLUGINS": "true",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "PYTHONUNBUFFERED": "1",
}
_LONGEST_ANSWER_SECONDS: Final = 60.0
# A server says at once that an attempt has ended, however busy it is: it does nothing else.
_LONGEST_SILENCE_SECONDS: Final = 10.0
_ENDING_SECONDS: Final = 5.0

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Answer)


class ServerLostError(SynclineError):
    """The attempt server has died or does not answer, which says nothing about the attempt."""


class RefusedError(Exception):
    """The server cannot fork this attempt, and says why."""


class ForkedProcess:
    """An attempt that a server has forked; as `asyncio.subprocess.Process`.

    `was_lost` says that it ended because its server did.
    """

    def __init__(self, server: ForkServer, request: int, pid: int) -> None:
        self.pid = pid
        self.was_lost = False
        self._server = server
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._exit_code: asyncio.Future[int] = self._loop.create_future()
        # The number is the attempt's as long as the server has not been told to forget it.
        self._pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._notice_end)

    @property
    def returncode(self) -> int | None:
        return self._exit_code.result() if self._exit_code.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._exit_code)

    def send_signal(self, number: int, /) -> None:
        """Raises `ProcessLookupError` if it has ended."""
        if self._exit_code.done():
            raise ProcessLookupError
        os.kill(self.pid, number)

    def release(self) -> None:
        """Say that nobody signals its process group any more."""
        self._server.release(self._request)

    def end(self, exit_code: int) -> None:
        """Take notice of what the server says."""
        if not self._exit_code.done():
            self._exit_code.set_result(exit_code)
        self._stop_watching()

    def _notice_end(self) -> None:
        self._stop_watching()
        self._loop.call_later(_LONGEST_SILENCE_SECONDS, self._give_up_server)

    def _give_up_server(self) -> None:
        if not self._exit_code.done():
            self._server.kill()

    def _stop_watching(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def lose(self) -> None:
        """The server is gone, and the kernel ends the attempt with it."""
        if not self._exit_code.done():
            self.was_lost = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._exit_code.set_result(-signal.SIGKILL)
        self._stop_watching()


class ForkServer:
    """A running server.

    `on_idle` is called when its last attempt is over, `on_death` if it ends by itself, `on_end` when it has ended.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, connection: socket.socket, installation: tuple[int, ...]
    ) -> None:
        self.installation = installation
        self.is_retired = False
        self.forks = 0
        self.lost = 0
        self.on_idle: Callable[[], None] = lambda: None
        self.on_death: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None
        self._process = process
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._awaited: dict[int, asyncio.Future[ForkedProcess]] = {}
        self._running: dict[int, ForkedProcess] = {}
        self._is_closed = False
        self._loop.add_reader(connection, self._receive)
        self._watch = asyncio.create_task(self._notice_death())

    @classmethod
    async def launch(cls, modules: tuple[str, ...], installation: tuple[int, ...]) -> ForkServer:
        """Start a server, which imports `modules` before it answers."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mark = new_mark()
        try:
            with theirs, ORPHANS.starting() as started:
                process = await asyncio.create_subprocess_exec(
                    *_COMMAND,
                    mark_argument(mark),
                    *modules,
                    stdin=theirs.fileno(),
                    env=attempt_environment(os.environ) | _SETTINGS | {MARK_VARIABLE: mark},
                    # So that Ctrl-C does not end it before the attempts are handed back.
                    start_new_session=True,
                )
                started(process.pid)
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)  # noqa: FBT003 -- positional only
        return cls(process, ours, installation)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def age_seconds(self) -> float:
        return self._loop.time() - self._began

    @property
    def is_busy(self) -> bool:
        """Whether attempts run, or are about to."""
        return bool(self._running or self._awaited)

    async def fork(self, mark: str, environment: Mapping[str, str], descriptors: Descriptors) -> ForkedProcess:
        """Fork an attempt.

        Raises:
            RefusedError: the server cannot.
            ServerLostError: the server has died or does not answer.
        """
        if self._is_closed:
            raise ServerLostError("the attempt server has ended; try again")
        self.forks += 1
        request = self.forks
        packet = _encoder.encode(Start(request, mark, dict(environment)))
        if len(packet) > LONGEST_PACKET:
            raise RefusedError(f"its environment takes {len(packet)} bytes, and at most {LONGEST_PACKET} can be sent")
        answer: asyncio.Future[ForkedProcess] = self._loop.create_future()
        self._awaited[request] = answer
        # Copies, because the caller may be canceled and close its own before they are sent.
        self._send(packet, [os.dup(descriptor) for descriptor in descriptors])
        try:
            async with asyncio.timeout(_LONGEST_ANSWER_SECONDS):
                return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self._discard(answer.result())
            raise
        except TimeoutError:
            raise ServerLostError(
                f"the attempt server did not answer within {_LONGEST_ANSWER_SECONDS:g} s; try again"
            ) from None
        finally:
            # If it is forked later, nobody wants it: `_receive` ends it.
            answer.cancel()

    def release(self, request: int) -> None:
        """An attempt is over, and its process may be forgotten."""
        if self._running.pop(request, None) is not None:
            self._send(_encoder.encode(Release(request)), [])
            if not self.is_busy:
                self.on_idle()

    def kill(self) -> None:
        """End it at once: it does not say what it should."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def let_go(self) -> None:
        """Close the connection, which ends the server."""
        if not self._is_closed:
            self._close()

    async def close(self) -> None:
        """End the server, and wait for that."""
        self.let_go()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_SECONDS):
                await self._process.wait()
        if self._process.returncode is None:
            self.kill()
        await self._watch

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        if self._is_closed:
            _close_all(descriptors)
            return
        self._unsent.append((packet, descriptors))
        if len(self._unsent) == 1:
            self._send_rest()

    def _send_rest(self) -> None:
        while self._unsent:
            packet, descriptors = self._unsent[0]
            try:
                if descriptors:
                    socket.send_fds(self._connection, [packet], descriptors)
                else:
                    self._connection.send(packet)
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._send_rest)
                return
            except OSError:
                break  # it has died, which the reader notices
            self._unsent.popleft()
            _close_all(descriptors)
        self._loop.remove_writer(self._connection)

    def _receive(self) -> None:
        try:
            packet = self._connection.recv(LONGEST_PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._loop.remove_reader(self._connection)  # `_notice_death` does the rest
            return
        match _decoder.decode(packet):
            case Started(request, pid):
                process = ForkedProcess(self, request, pid)
                self._running[request] = process
                answer = self._awaited.pop(request)
                if answer.cancelled():
                    self._discard(process)
                else:
                    answer.set_result(process)
            case Refused(request, reason):
                answer = self._awaited.pop(request)
                if not answer.cancelled():
                    answer.set_exception(RefusedError(reason))
            case Ended(request, exit_code):
                if ended := self._running.get(request):
                    ended.end(exit_code)

    def _discard(self, process: ForkedProcess) -> None:
        """End an attempt that nobody has waited for; it has no job."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.release()

    async def _notice_death(self) -> None:
        await self._process.wait()
        ORPHANS.forget(self._process.pid)
        self.on_end()
        if not self._is_closed:
            self._close()
            self.on_death()

    def _close(self) -> None:
        self._is_closed = True
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        for _, descriptors in self._unsent:
            _close_all(descriptors)
        self._unsent.clear()
        running, awaited = list(self._running.values()), list(self._awaited.values())
        self._running.clear()
        self._awaited.clear()
        self.lost = sum(process.returncode is None for process in running)
        for process in running:
            process.lose()
        for answer in awaited:
            if not answer.done():
                answer.set_exception(ServerLostError("the attempt server has ended; try again"))


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
