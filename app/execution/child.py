"""The child process of an attempt, started in its own process group and ended together with all its descendants."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections import deque
from contextlib import AsyncExitStack, aclosing, closing, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.kinds import modules_of
from app.domain.attempt_protocol import (
    AttemptMessage,
    CopyJob,
    CountRows,
    DescribeTypes,
    DropTables,
    Hidden,
    LogLine,
    Preview,
    TryDestination,
)
from app.domain.errors import SynclineError
from app.domain.flood import Allowance, Bounded
from app.domain.inherited_environment import attempt_environment
from app.domain.lines import LineSplitter
from app.execution.bounded_lines import BoundedLines
from app.execution.fork_server import ForkedProcess
from app.execution.forking import FORK_SERVERS
from app.execution.orphans import END_BELOW, END_MARKED, ORPHANS
from app.execution.processes import Descriptors, start_interpreter
from app.execution.text import TextLines
from app.failpoints import armed_environment
from app.lifeline import new_mark
from app.loops import finish_uninterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from app.domain.attempt_protocol import AttemptJob
    from app.execution.processes import RunningProcess

_CHUNK: Final = 64 * 1024
_LONGEST_START_SECONDS: Final = 60.0
_LONGEST_SILENCE_SECONDS: Final = 1.0
_LONGEST_MESSAGE: Final = 64 * 1024 * 1024
# A program's line has at most 16 Ki characters, each of which may take several bytes as JSON.
_LONGEST_LINE: Final = 1024 * 1024

_decoder: Final = msgspec.json.Decoder(AttemptMessage)
_line_decoder: Final = msgspec.json.Decoder(LogLine)
_encoder: Final = msgspec.json.Encoder()


class AttemptProcess:
    """A running child process. `messages` yields its messages; `exit_code` waits for its end."""

    def __init__(
        self,
        process: RunningProcess,
        events: _Pipe,
        texts: tuple[_Pipe, ...],
        lines: _Pipe,
        *,
        mark: str,
    ) -> None:
        self._process = process
        self._events = events
        self._texts = texts
        self._lines = lines
        self._mark = mark
        self._allowance = Allowance(time.monotonic())
        self._last_text_at = time.monotonic()
        self._writers = 0
        self._splitter = LineSplitter(b"\n")
        self._unread: deque[bytes] = deque()

    @classmethod
    async def start(cls, job: AttemptJob, environment: Mapping[str, str]) -> AttemptProcess:
        """Start the child and send it its job.

        Raises:
            ServerLostError: the attempt server died meanwhile, which says nothing about the job.
            SynclineError: the child does not begin to run.
        """
        # Our own pipes: asyncio regards its own as part of the process, and waits for everyone who has inherited them.
        mark = new_mark()
        async with AsyncExitStack() as stack:
            pipes = [stack.enter_context(closing(await _Pipe.open())) for _ in range(4)]
            events, lines, output, errors = pipes
            # Unlike a pipe, nobody can open it below /proc.
            sending, receiving = [stack.enter_context(end) for end in socket.socketpair()]
            own = Descriptors(receiving.fileno(), output.sending, errors.sending, events.sending, lines.sending)
            inherited = attempt_environment(environment) | armed_environment() | {"PYTHONUNBUFFERED": "1"}
            process = await FORK_SERVERS.fork(_modules_of(job), mark, inherited, own) or await start_interpreter(
                mark, inherited, own
            )
            child = cls(process, events, (output, errors), lines, mark=mark)
            for pipe in pipes:
                pipe.close_sending_end()
            receiving.close()
            try:
                with sending:
                    await child._send_job(job, sending)
            except BaseException:
                await finish_uninterrupted(child.end(grace_seconds=0))
                raise
            stack.pop_all()
        return child

    async def _send_job(self, job: AttemptJob, stdin: socket.socket) -> None:
        """Send it when the child is hidden: until then other programs of this user can take what it gets."""
        stdin.setblocking(False)  # noqa: FBT003 -- positional only
        # If the child has already died, its exit code is the error, not the broken pipe.
        with suppress(BrokenPipeError, ConnectionResetError):
            if await self._is_hidden():
                await asyncio.get_running_loop().sock_sendall(stdin, _encoder.encode(job))

    async def _is_hidden(self) -> bool:
        """Wait for the child to say so; False if it has ended."""
        try:
            async with asyncio.timeout(_LONGEST_START_SECONDS), aclosing(self.messages()) as messages:
                return isinstance(await anext(messages, None), Hidden)
        except TimeoutError:
            seconds = f"{_LONGEST_START_SECONDS:g} s"
            raise SynclineError(
                f"the attempt's process did not begin to run within {seconds}: is this machine out of memory or busy?"
            ) from None

    async def messages(self) -> AsyncGenerator[AttemptMessage, None]:
        """Yield the messages that the child writes to its events descriptor; another call goes on where one stopped."""
        while True:
            while self._unread:
                yield _decoder.decode(self._unread.popleft())
            chunk = await self._events.reader.read(_CHUNK)
            if not chunk:
                return
            self._unread.extend(self._splitter.feed(chunk))
            if self._splitter.length > _LONGEST_MESSAGE:
                raise SynclineError(f"the attempt's process sent a message of more than {_LONGEST_MESSAGE} bytes")

    async def free_text(self, write: Callable[[LogLine], Awaitable[None]]) -> None:
        """Pass on the lines of standard output, standard error and of programs until all are closed.

        If there are too many, the beginning, the last lines and some in between are passed on, and a line says how many
        were dropped.
        """
        texts = (self._write_lines(pipe.reader, write) for pipe in self._texts)
        await asyncio.gather(*texts, self._write_program_lines(self._lines.reader, write))

    async def _write_lines(self, stream: asyncio.StreamReader, write: Callable[[LogLine], Awaitable[None]]) -> None:
        lines, bounded = TextLines(), Bounded(self._allowance)
        async for chunk in self._chunks(stream):
            for text in lines.feed(bounded.feed(chunk, time.monotonic())):
                await write(LogLine("info", text))
        for text in (*lines.feed(bounded.rest()), *filter(None, [lines.rest()])):
            await write(LogLine("info", text))

    async def _write_program_lines(
        self, stream: asyncio.StreamReader, write: Callable[[LogLine], Awaitable[None]]
    ) -> None:
        lines, bounded = TextLines(longest=_LONGEST_LINE), BoundedLines(self._allowance)
        async for chunk in self._chunks(stream):
            for text in lines.feed(chunk):
                for line in bounded.feed(_program_line(text)):
                    await write(line)
        if text := lines.rest():
            for line in bounded.feed(_program_line(text)):
                await write(line)
        for line in bounded.rest():
            await write(line)

    async def _chunks(self, stream: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        while chunk := await stream.read(_CHUNK):
            self._writers += 1
            yield chunk
            self._writers -= 1
            self._last_text_at = time.monotonic()

    def silent_seconds(self) -> float:
        """Seconds since the last free text; 0 while some is being passed on."""
        return 0.0 if self._writers else time.monotonic() - self._last_text_at

    @property
    def pid(self) -> int:
        return self._process.pid

    async def exit_code(self) -> int:
        """Wait for the child to end."""
        return await self._process.wait()

    @property
    def was_lost(self) -> bool:
        """Whether it ended only because the attempt server did."""
        return isinstance(self._process, ForkedProcess) and self._process.was_lost

    async def end(self, *, grace_seconds: float) -> None:
        """End the child and its descendants: with SIGTERM, and after `grace_seconds` with SIGKILL."""
        if self._process.returncode is None and grace_seconds > 0:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_seconds)
        if self._process.returncode is None:
            # While it lives, it adopts orphaned descendants, so all of them are below it, also outside of its group.
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGSTOP)
            await END_BELOW(self._process.pid)
        # Also after a normal exit, because other processes of its group may be left.
        self._signal(signal.SIGKILL)
        if await self._process.wait() < 0:
            # It was killed and could not clean up. Processes that left its tree are found by their mark.
            await END_MARKED(self._mark)
        # What has no mark either is an orphan now.
        ORPHANS.forget(self._process.pid)
        if isinstance(self._process, ForkedProcess):
            self._process.release()
        await ORPHANS.end()

    def close(self) -> None:
        """Close the pipes; a process that left the group may still have the other ends open."""
        for pipe in (self._events, *self._texts, self._lines):
            pipe.close()

    def kill(self) -> None:
        """Kill the process group, without waiting for its end."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _modules_of(job: AttemptJob) -> tuple[str, ...]:
    match job:
        case TryDestination() | CountRows():
            return modules_of(None, [job.description.get("type", "")])
        case DescribeTypes():
            return modules_of(None, _types_of(job.destinations))
        case CopyJob() | Preview() | DropTables():
            return modules_of(job.source_type, _types_of(job.destinations))
        case _:
            return modules_of(job.source_type, ())


def _types_of(destinations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [description.get("type", "") for description in destinations.values()]


def _program_line(text: str) -> LogLine:
    """A line that the child sends for a program; anything else, such as half of the last line, is kept as it is."""
    try:
        return _line_decoder.decode(text)
    except msgspec.MsgspecError:
        return LogLine("warn", text)


class _Pipe:
    """A pipe from the child: `reader` is our end, `sending` is the child's."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport, sending: int) -> None:
        self.reader = reader
        self.sending = sending
        self._transport = transport

    @classmethod
    async def open(cls) -> _Pipe:
        receiving, sending = os.pipe()
        reader = asyncio.StreamReader(limit=_CHUNK)
        loop = asyncio.get_running_loop()
        # uvloop closes the descriptor and then the file. In between another thread may open something under its number,
        # which the file must not close.
        file = os.fdopen(receiving, "rb", buffering=0, closefd=type(loop).__module__ != "uvloop")
        try:
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        except BaseException:
            file.close()
            os.close(sending)
            raise
        return cls(reader, transport, sending)

    def close_sending_end(self) -> None:
        """Close our copy of the child's end, so that the pipe ends when the child closes it."""
        if self.sending >= 0:
            os.close(self.sending)
            self.sending = -1

    def close(self) -> None:
        self.close_sending_end()
        self._transport.close()


def ignore(_message: AttemptMessage) -> None:
    """Drop a message that comes too late to matter."""


async def finish(
    child: AttemptProcess,
    texts: asyncio.Task[None],
    *,
    grace_seconds: float,
    receive: Callable[[AttemptMessage], None] = ignore,
) -> None:
    """End the child, and read its remaining output if possible; `receive` gets the messages that were not read."""
    # Meanwhile: the child may send some before it ends.
    rest = asyncio.create_task(_receive_rest(child, receive))
    await child.end(grace_seconds=grace_seconds)
    # Only processes that left the group can still have the pipes open; do not wait for those.
    while not (texts.done() and rest.done()) and child.silent_seconds() < _LONGEST_SILENCE_SECONDS:
        await asyncio.wait([texts, rest], timeout=_LONGEST_SILENCE_SECONDS / 4)
    for task in (texts, rest):
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
    child.close()


async def _receive_rest(child: AttemptProcess, receive: Callable[[AttemptMessage], None]) -> None:
    async for message in child.messages():
        receive(message)
