"""Messages to the worker, one JSON line each, on their own descriptor."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from io import BufferedWriter

    from app.domain.attempt_protocol import AttemptMessage, LogLine


class WorkerGone(BaseException):
    """The worker is gone. Not a `BrokenPipeError`, which could also come from a program or a driver."""


class WorkerPipe:
    """Owns `descriptor` and `lines`, where programs' lines go, which children of this process do not inherit.

    Any thread may send: a buffered file takes one text after the other, and each as a whole.
    """

    def __init__(self, descriptor: int, *, lines: int | None = None) -> None:
        self._descriptor = descriptor
        self._file = _open(descriptor)
        self._lines = self._file if lines is None else _open(lines)
        self._encode = msgspec.json.Encoder().encode

    def send(self, message: AttemptMessage) -> None:
        """Returns when the worker can read it; raises `WorkerGone` if the worker is gone."""
        self._write(self._file, message)

    def send_aside(self, line: LogLine) -> None:
        """The same for a line of a program: as long as this waits for a slow log, messages go on."""
        self._write(self._lines, line)

    def _write(self, file: BufferedWriter, message: AttemptMessage) -> None:
        try:
            file.write(self._encode(message) + b"\n")
            file.flush()
        except BrokenPipeError:
            raise WorkerGone from None

    def close(self) -> None:
        self._file.close()
        self._lines.close()

    def has_no_reader(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _open(descriptor: int) -> BufferedWriter:
    # A tap that inherited it would keep it open after the attempt's end.
    os.set_inheritable(descriptor, False)  # noqa: FBT003 -- positional only
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")
