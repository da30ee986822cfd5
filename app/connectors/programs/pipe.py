"""What a process says on a pipe: until the process ends, whoever else holds the pipe, and in bounded memory."""

from __future__ import annotations

import array
import fcntl
import math
import os
import select
import termios
import time
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LONGEST_TEXT_BYTES: Final = 32 << 10
_LONGEST_MESSAGE_MEGABYTES: Final = 64
_CHUNK_BYTES: Final = 64 << 10
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


def lines(chunks: Iterable[bytes], *, messages: bool, program: str = "the program") -> Iterator[bytes]:
    """The lines in `chunks`, without their ends; text is cut after `LONGEST_TEXT_BYTES`.

    With `messages`, lines that begin as a JSON object stay whole. Complaints begin with the name of the `program`.

    Raises:
        ConfigurationError: a message is longer than 64 MB.
    """
    begun = _Line(messages=messages, program=program)
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield begun.ended(end)
        begun.grow(rest)
    if rest := begun.ended(b""):
        yield rest


class _Line:
    """A line that is not complete yet."""

    def __init__(self, *, messages: bool, program: str) -> None:
        self._messages = messages
        self._program = program
        self._number = 1
        self._begun = bytearray()

    def grow(self, piece: bytes) -> None:
        self._begun += piece
        if len(self._begun) <= LONGEST_TEXT_BYTES:
            return
        if not (self._messages and _is_object(self._begun[:LONGEST_TEXT_BYTES])):
            del self._begun[LONGEST_TEXT_BYTES:]
        elif len(self._begun) > _LONGEST_MESSAGE_MEGABYTES << 20:
            raise ConfigurationError(
                f"{self._program}'s message {self._number} is longer than {_LONGEST_MESSAGE_MEGABYTES} MB"
            )

    def ended(self, piece: bytes) -> bytes:
        line = piece
        if self._begun or len(piece) > LONGEST_TEXT_BYTES:
            self.grow(piece)
            line = bytes(self._begun)
            self._begun.clear()
        self._number += self._messages and _is_object(line)
        return line


def _is_object(line: bytes | bytearray) -> bool:
    return line[:1] == b"{" or line.lstrip()[:1] == b"{"


def _waiting_bytes(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]
