"""Messages to the worker, one JSON line each, on their own descriptor."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from app.domain.attempt_protocol import AttemptMessage


class WorkerGone(BaseException):
    """The worker is gone. Not a `BrokenPipeError`, which could also come from a program or a driver."""


class WorkerPipe:
    """Owns `descriptor`, which children of this process do not inherit."""

    def __init__(self, descriptor: int) -> None:
        # A tap that inherited it would keep it open after the attempt's end.
        os.set_inheritable(descriptor, False)  # noqa: FBT003 -- positional only
        os.set_blocking(descriptor, True)
        self._descriptor = descriptor
        self._file = os.fdopen(descriptor, "wb")
        self._encode = msgspec.json.Encoder().encode

    def send(self, message: AttemptMessage) -> None:
        """Returns when the worker can read it; raises `WorkerGone` if the worker is gone."""
        try:
            self._file.write(self._encode(message) + b"\n")
            self._file.flush()
        except BrokenPipeError:
            raise WorkerGone from None

    def close(self) -> None:
        self._file.close()

    def has_no_reader(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
