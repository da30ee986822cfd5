"""The child process of an attempt: started in a group of its own, heard on three pipes, ended as a whole group."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, AttemptMessage
from app.execution.text import LineSplitter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from app.domain.attempt_protocol import AttemptJob

_CHUNK: Final = 64 * 1024
_LONGEST_MESSAGE: Final = 64 * 1024 * 1024
_INHERITED: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "USER",
    "LOGNAME",
)
_INHERITED_PREFIXES: Final = ("PIP_", "UV_", "REQUESTS_", "CURL_", "http", "HTTP", "no_proxy", "NO_PROXY", "ALL_PROXY")

_decoder: Final = msgspec.json.Decoder(AttemptMessage)
_encoder: Final = msgspec.json.Encoder()


class AttemptProcess:
    """A running child. `messages` is what it says, in order; `exit_code` is there when it has ended."""

    def __init__(self, process: asyncio.subprocess.Process, events: asyncio.StreamReader) -> None:
        self._process = process
        self._events = events

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, job: AttemptJob, environment: Mapping[str, str]) -> AttemptProcess:
        """Start the child and hand it its job."""
        receiving, sending = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.attempt",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(sending,),
                env=child_environment(environment) | {EVENTS_FD_VARIABLE: str(sending)},
                start_new_session=True,
                limit=_CHUNK,
            )
        except BaseException:
            os.close(receiving)
            raise
        finally:
            os.close(sending)
        events = asyncio.StreamReader(limit=_LONGEST_MESSAGE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(events), os.fdopen(receiving, "rb", buffering=0)
        )
        child = cls(process, events)
        try:
            await child._give(job)
        except BaseException:
            await child.end(grace_seconds=0)
            raise
        return child

    async def _give(self, job: AttemptJob) -> None:
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
        while line := await self._events.readline():
            yield _decoder.decode(line)

    async def free_text(self, write: Callable[[str, str], Awaitable[None]]) -> None:
        """Pass every line of standard output (`info`) and standard error (`info`) on, until both are closed."""
        await asyncio.gather(*(self._lines(stream, write) for stream in (self._process.stdout, self._process.stderr)))

    async def _lines(self, stream: asyncio.StreamReader | None, write: Callable[[str, str], Awaitable[None]]) -> None:
        splitter = LineSplitter()
        while stream is not None and (chunk := await stream.read(_CHUNK)):
            for line in splitter.feed(chunk):
                await write("info", line)
        if stream is not None and (rest := splitter.rest()):
            await write("info", rest)

    async def exit_code(self) -> int:
        """Wait for the child's end."""
        return await self._process.wait()

    async def end(self, *, grace_seconds: float) -> None:
        """End the whole group: politely, and after `grace_seconds` for certain. Nothing of it is left afterwards."""
        if self._process.returncode is None and grace_seconds > 0:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_seconds)
        # Also after a good end: the child may have left others of its group behind.
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a connector may see of this process's environment: how to find programs and the network, no secret."""
    return {
        name: value for name, value in environment.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    } | {"PYTHONUNBUFFERED": "1"}
