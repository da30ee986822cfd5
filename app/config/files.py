"""Reads the files that a catalogue names: regular files, pipes and devices."""

from __future__ import annotations

import errno
import os
import select
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.opening import open_without_waiting

LARGEST_TEXT = 16 * 1024 * 1024
"""The largest size of a catalogue, of its separate sources and of other text that it names, in bytes."""

_PIPE_SECONDS: Final = 10
_PIECE: Final = 1 << 16
_LARGEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file had, or the `problem` of reading it."""

    data: bytes = field(default=b"", repr=False)
    problem: str = ""


class NamedFiles:
    """The files whose contents belong to a catalogue. Each is read once, so that all who name it get the same.

    A pipe is empty afterwards, so later readings take what came out of it from `earlier` ones.
    """

    def __init__(self, earlier: NamedFiles | None = None) -> None:
        self._pipes: dict[str, Contents] = dict(earlier._pipes) if earlier else {}  # noqa: SLF001 -- of its own class
        self._failed_pipes: set[str] = set()
        self._files: dict[str, Contents] = {}

    def __bool__(self) -> bool:
        """Whether there are any that may change."""
        return bool(self._files)

    def read(self, name: str) -> Contents:
        if name not in self._files:
            self._files[name] = self._take(name)
        return self._files[name]

    def have_changed(self) -> bool:
        """Whether one of them now has other contents, has gone, or has come."""
        return any(self._has_changed(name, found) for name, found in self._files.items())

    def _has_changed(self, name: str, found: Contents) -> bool:
        if not _is_pipe(name):
            return name in self._pipes or _read_contents(name) != found
        # A look must not take anything out of a pipe, nor wait for it.
        return name not in self._pipes and name not in self._failed_pipes

    def _take(self, name: str) -> Contents:
        if not _is_pipe(name):
            self._pipes.pop(name, None)
            return _read_contents(name)
        if name in self._pipes:
            return self._pipes[name]
        contents = _read_contents(name)
        if contents.problem:
            self._failed_pipes.add(name)
        else:
            self._pipes[name] = contents
        return contents


def _is_pipe(name: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)  # noqa: PTH116 -- a Path refuses fewer names
    except (OSError, ValueError):
        return False


def _read_contents(name: str) -> Contents:
    try:
        data = read_bytes(Path(name), _LARGEST_BYTES + 1)
    except OSError as error:
        return Contents(problem=f"cannot be read: {error.strerror or type(error).__name__}")
    except ValueError:
        return Contents(problem="cannot be read: not a valid path")
    if len(data) > _LARGEST_BYTES:
        return Contents(problem="is larger than 1 MiB")
    return Contents(data)


def read_bytes(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file, or of what comes out of a pipe.

    Raises:
        OSError: it cannot be read, or nothing comes out of the pipe.
        ValueError: this cannot be the name of a file.
    """
    with open_without_waiting(path) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file.read(most)
        return _from_pipe(file.fileno(), most)


def read_text(path: Path) -> str:
    """The UTF-8 text of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not text, or too large.
    """
    content = read_bytes(path, LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise ValueError(f"larger than {LARGEST_TEXT // 1024**2} MiB")
    return content.decode("utf-8-sig")


def why_unreadable(error: OSError | ValueError) -> str:
    """The reason in an error of `read_text`, without the path."""
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 (byte {error.start})"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return str(error)


def _from_pipe(descriptor: int, most: int) -> bytes:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    content = bytearray()
    while len(content) < most:
        if not poll.poll(_PIPE_SECONDS * 1000):
            raise OSError(errno.ETIMEDOUT, f"nothing could be read from this pipe within {_PIPE_SECONDS} seconds")
        piece = os.read(descriptor, min(most - len(content), _PIECE))
        if not piece:
            break
        content += piece
    return bytes(content)
