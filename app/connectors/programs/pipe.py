"""What a process says on a pipe: until the process ends, whoever else holds the pipe, and in bounded memory."""

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

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LONGEST_TEXT_BYTES: Final = 32 << 10
_LONGEST_MESSAGE_MEGABYTES: Final = 16
_BYTE_ORDER_MARK: Final = "\ufeff".encode()
_CHUNK_BYTES: Final = 64 << 10
# As much as Linux allows everybody: https://man7.org/linux/man-pages/man7/pipe.7.html
_DEPTH_BYTES: Final = 1 << 20
_SECONDS_AFTER_THE_END: Final = 1.0
_SECONDS_BETWEEN_LOOKS: Final = 0.2


def chunks(pipe: int, *, has_ended: Callable[[], bool]) -> Iterator[bytes]:
    """What is written to `pipe`, until it is closed or its process has ended.

    All that the process wrote is read, and for another second what comes from others that hold the pipe.
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
            yield chunk


def deepen(pipe: int) -> None:
    """Lets its program go on while nobody reads, as long as a batch is loaded; the usual 64 KB are full long before.

    Where the system has no such pipes, or no more room for them, it stays as it is.
    """
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _DEPTH_BYTES)


class Lines:
    """The lines in `chunks`, without their ends; text is cut after `LONGEST_TEXT_BYTES`.

    With `messages`, lines that begin as a JSON object stay whole, and marks of byte order before them are left out.
    `number` is how many have ended so far, `within` whether another one has begun. Complaints name the `program`.

    Raises:
        ConfigurationError: while going through them, for a message longer than 16 MB.
    """

    def __init__(self, chunks: Iterable[bytes], *, messages: bool, program: str = "the program") -> None:
        self.number = 0
        self._chunks = chunks
        self._messages = messages
        self._program = program
        self._begun = bytearray()

    @property
    def within(self) -> bool:
        return bool(self._begun)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                line = self._ended(end)
                self.number += 1
                yield line
            self._grow(rest)
        if self._begun:
            yield self._ended(b"")

    def _grow(self, piece: bytes) -> None:
        self._begun += piece
        if len(self._begun) <= LONGEST_TEXT_BYTES:
            return
        if not (self._messages and _is_object(self._begun[:LONGEST_TEXT_BYTES])):
            del self._begun[LONGEST_TEXT_BYTES:]
        elif len(self._begun) > _LONGEST_MESSAGE_MEGABYTES << 20:
            self._begun.clear()
            place = f"line {self.number + 1} of {self._program}'s output"
            raise ConfigurationError(f"{place} is a message longer than {_LONGEST_MESSAGE_MEGABYTES} MB")

    def _ended(self, piece: bytes) -> bytes:
        if not self._begun and len(piece) <= LONGEST_TEXT_BYTES:
            line = piece
        else:
            self._grow(piece)
            line = bytes(self._begun)
            self._begun.clear()
        return line.removeprefix(_BYTE_ORDER_MARK) if self._messages else line


def _is_object(line: bytes | bytearray) -> bool:
    return line[:1] == b"{" or line.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"{"


def _waiting_bytes(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]
