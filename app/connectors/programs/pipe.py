"""Reads a process's output until the process ends, even if others still hold the pipe, in bounded memory."""

from __future__ import annotations

import array
import fcntl
import math
import os
import select
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from app.connectors.contract.reads import READS
from app.domain.errors import ConfigurationError
from app.domain.lines import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LONGEST_TEXT_BYTES: Final = 32 << 10
_LONGEST_MESSAGE_MEGABYTES: Final = 16
_BOM: Final = "\ufeff".encode()
_CHUNK_BYTES: Final = 64 << 10
# The most that Linux allows unprivileged users: https://man7.org/linux/man-pages/man7/pipe.7.html
_DEPTH_BYTES: Final = 1 << 20
_SECONDS_AFTER_THE_END: Final = 1.0
_SECONDS_BETWEEN_LOOKS: Final = 0.2


def chunks(pipe: int, *, has_ended: Callable[[], bool]) -> Iterator[bytes]:
    """What is written to `pipe`, until it is closed or its process has ended.

    Everything that the process wrote is read, and for one more second what others write that hold the pipe.
    """
    until, owed = math.inf, 0
    while owed > 0 or time.monotonic() < until:
        if until == math.inf and has_ended():
            until, owed = time.monotonic() + _SECONDS_AFTER_THE_END, _waiting_bytes(pipe)
        if select.select([pipe], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
            chunk = os.read(pipe, _CHUNK_BYTES)
            if not chunk:
                return
            owed -= len(chunk)
            READS.note()
            yield chunk


def deepen(pipe: int) -> None:
    """Enlarges the pipe, so that its program can continue while a batch is loaded: the usual 64 KiB fill up too early.

    If the system does not support that, or has no room left, the pipe stays as it is.
    """
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _DEPTH_BYTES)


class Lines:
    """The lines in `chunks`, without line breaks; text is truncated after `LONGEST_TEXT_BYTES`.

    With `messages`, lines that begin as a JSON object stay whole, and a BOM before them is removed. `number` counts the
    lines that have ended so far, `within` says whether another one has begun. Errors say what `text` the lines are of.

    Raises:
        ConfigurationError: during iteration, for a message longer than 16 MiB.
    """

    def __init__(self, chunks: Iterable[bytes], *, messages: bool, text: str = "the output") -> None:
        self.number = 0
        self.within = False
        self._chunks = chunks
        self._messages = messages
        self._text = text
        self._splitter = LineSplitter(b"\n")

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            for line in self._splitter.feed(chunk):
                kept = self._limit_length(line)
                self.number += 1
                self.within = False
                yield kept
            self._limit_unfinished()
            self.within = self._splitter.length > 0
        if self.within:
            self.within = False
            yield self._limit_length(self._splitter.take())

    def _limit_length(self, line: bytes) -> bytes:
        if len(line) > LONGEST_TEXT_BYTES:
            if self._is_message(line):
                self._check_length(len(line))
            else:
                line = line[:LONGEST_TEXT_BYTES]
        return line.removeprefix(_BOM) if self._messages else line

    def _limit_unfinished(self) -> None:
        """Does the same to a line that may never end."""
        if self._splitter.length > LONGEST_TEXT_BYTES:
            if self._is_message(self._splitter.beginning(LONGEST_TEXT_BYTES)):
                self._check_length(self._splitter.length)
            else:
                self._splitter.cut(LONGEST_TEXT_BYTES)

    def _is_message(self, line: bytes) -> bool:
        return self._messages and _is_object(line[:LONGEST_TEXT_BYTES])

    def _check_length(self, length: int) -> None:
        if length > _LONGEST_MESSAGE_MEGABYTES << 20:
            self._splitter.take()
            line = f"line {self.number + 1} of {self._text}"
            raise ConfigurationError(f"{line} is a message longer than {_LONGEST_MESSAGE_MEGABYTES} MiB")


def _is_object(line: bytes) -> bool:
    return line[:1] == b"{" or line.removeprefix(_BOM).lstrip()[:1] == b"{"


def _waiting_bytes(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]
