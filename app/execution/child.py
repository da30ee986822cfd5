"""The child process of an attempt: started in a group of its own, heard on three pipes, ended with all it started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack, closing, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, AttemptMessage
from app.domain.errors import SynclineError
from app.domain.flood import Allowance, Bounded
from app.domain.inherited_environment import attempt_environment
from app.domain.lines import LineSplitter
from app.execution.text import TextLines
from app.failpoints import armed_environment
from app.lifeline import MARK_VARIABLE, end_descendants, end_marked, new_mark
from app.loops import finish_uninterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from app.domain.attempt_protocol import AttemptJob

COMMAND: Final = (sys.executable, "-m", "app.attempt")

_CHUNK: Final = 64 * 1024
_LONGEST_SILENCE_SECONDS: Final = 1.0
_LONGEST_MESSAGE: Final = 64 * 1024 * 1024

_decoder: Final = msgspec.json.Decoder(AttemptMessage)
_encoder: Final = msgspec.json.Encoder()


class AttemptProcess:
    """A running child. `messages` is what it says, in order; `exit_code` is there when it has ended."""

    def __init__(
        self, process: asyncio.subprocess.Process, events: _Pipe, texts: tuple[_Pipe, ...], *, mark: str
    ) -> None:
        self._process = process
        self._events = events
        self._texts = texts
        self._mark = mark
        self._allowance = Allowance(time.monotonic())
        self._heard_at = time.monotonic()
        self._passing_on = 0

    @classmethod
    async def start(cls, job: AttemptJob, environment: Mapping[str, str]) -> AttemptProcess:
        """Start the child and hand it its job."""
        # Pipes of our own: asyncio's would count as a part of the process, which then has not ended before everybody
        # who inherited them has.
        mark = new_mark()
        async with AsyncExitStack() as stack:
            events, output, errors = [stack.enter_context(closing(await _Pipe.open())) for _ in range(3)]
            own = {EVENTS_FD_VARIABLE: str(events.sending), MARK_VARIABLE: mark, "PYTHONUNBUFFERED": "1"}
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=output.sending,
                stderr=errors.sending,
                pass_fds=(events.sending,),
                env=attempt_environment(environment) | armed_environment() | own,
                start_new_session=True,
            )
            child = cls(process, events, (output, errors), mark=mark)
            for pipe in (events, output, errors):
                pipe.close_sending_end()
            try:
                await child._send_job(job)
            except BaseException:
                await finish_uninterrupted(child.end(grace_seconds=0))
                raise
            stack.pop_all()
        return child

    async def _send_job(self, job: AttemptJob) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the child was started without a standard input")
        # A child that is dead already is told by its exit code, not by our broken pipe.
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(_encoder.encode(job))
            await stdin.drain()
            stdin.close()
            await stdin.wait_closed()

    async def messages(self) -> AsyncIterator[AttemptMessage]:
        """What the child says on its events descriptor."""
        splitter = LineSplitter(b"\n")
        while chunk := await self._events.reader.read(_CHUNK):
            for line in splitter.feed(chunk):
                yield _decoder.decode(line)
            if splitter.length > _LONGEST_MESSAGE:
                raise SynclineError(f"the attempt's process sent a message of more than {_LONGEST_MESSAGE} bytes")

    async def free_text(self, write: Callable[[str], Awaitable[None]]) -> None:
        """Pass the lines of standard output and standard error on, until both are closed.

        Of a flood the beginning, the last lines and now and then some between, with word of how much was left out.
        """
        await asyncio.gather(*(self._lines(pipe.reader, write) for pipe in self._texts))

    async def _lines(self, stream: asyncio.StreamReader, write: Callable[[str], Awaitable[None]]) -> None:
        lines, bounded = TextLines(), Bounded(self._allowance)
        while chunk := await stream.read(_CHUNK):
            self._passing_on += 1
            for line in lines.feed(bounded.feed(chunk, time.monotonic())):
                await write(line)
            self._passing_on -= 1
            self._heard_at = time.monotonic()
        for line in lines.feed(bounded.rest()):
            await write(line)
        if rest := lines.rest():
            await write(rest)

    def silent_seconds(self) -> float:
        """For how long there was no free text; 0 while some is being passed on."""
        return 0.0 if self._passing_on else time.monotonic() - self._heard_at

    async def exit_code(self) -> int:
        """Wait for the child's end."""
        return await self._process.wait()

    async def end(self, *, grace_seconds: float) -> None:
        """End it and all it started: politely, and after `grace_seconds` for certain. Nothing is left afterwards."""
        if self._process.returncode is None and grace_seconds > 0:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_seconds)
        if self._process.returncode is None:
            # While it lives it adopts whoever loses his parent: below it is everything, in its group or not.
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGSTOP)
            await asyncio.to_thread(end_descendants, self._process.pid)
        # Also after a good end: the child may have left others of its group behind.
        self._signal(signal.SIGKILL)
        if await self._process.wait() < 0:
            # It could not clean up: what left its tree is known by its mark.
            await asyncio.to_thread(end_marked, self._mark)

    def close(self) -> None:
        """Hear nothing more; a process that left the group may still hold the other ends."""
        for pipe in (self._events, *self._texts):
            pipe.close()

    def kill(self) -> None:
        """End the whole group at once; returns before it is gone."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class _Pipe:
    """A pipe from the child: `reader` is our end, `sending` the child's."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport, sending: int) -> None:
        self.reader = reader
        self.sending = sending
        self._transport = transport

    @classmethod
    async def open(cls) -> _Pipe:
        receiving, sending = os.pipe()
        reader = asyncio.StreamReader(limit=_CHUNK)
        file = os.fdopen(receiving, "rb", buffering=0)
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), file
            )
        except BaseException:
            file.close()
            os.close(sending)
            raise
        return cls(reader, transport, sending)

    def close_sending_end(self) -> None:
        """The child has its end: ours of it is closed, so that the child's end is the pipe's."""
        if self.sending >= 0:
            os.close(self.sending)
            self.sending = -1

    def close(self) -> None:
        self.close_sending_end()
        self._transport.close()


async def finish(child: AttemptProcess, texts: asyncio.Task[None], *, grace_seconds: float) -> None:
    """End the child for good, with its last words heard where that is possible."""
    await child.end(grace_seconds=grace_seconds)
    # With the group gone nobody holds the pipes but a process that left the group: it is not waited for.
    while not texts.done() and child.silent_seconds() < _LONGEST_SILENCE_SECONDS:
        await asyncio.wait([texts], timeout=_LONGEST_SILENCE_SECONDS / 4)
    texts.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await texts
    child.close()
