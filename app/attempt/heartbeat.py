"""Tells the worker that an attempt is at work although it sends nothing else.

One statement of a destination may move millions of rows, and what a slow source sends may wait in a batch for long.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from app.attempt.worker_pipe import WorkerGone
from app.connectors.contract.reads import READS
from app.domain.attempt_protocol import AtWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.connectors.contract.reads import Reads

_SECONDS: Final = 20.0


class Heartbeat:
    """Sends `AtWork` during the block of `beating`: while that of `working` lasts, and if anything was read meanwhile.

    A source that waits is not at work: its silence is what the worker looks for. Destinations limit by themselves how
    long they wait for locks.
    """

    def __init__(self, send: Callable[[AtWork], None], *, reads: Reads = READS, seconds: float = _SECONDS) -> None:
        self._send = send
        self._reads = reads
        self._seconds = seconds
        self._working = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """A destination is at work during the block."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Look now and then, in a thread of its own."""
        over = threading.Event()
        threading.Thread(target=self.beat, args=(over,), name="heartbeat", daemon=True).start()
        try:
            yield
        finally:
            # Without waiting: the thread may be writing to a worker that does not read.
            over.set()

    def beat(self, over: threading.Event) -> None:
        """What the thread does until `over` is set."""
        with suppress(WorkerGone):  # the main thread notices it too
            known = self._reads.count
            while not over.wait(self._seconds):
                if self._working or self._reads.count != known:
                    known = self._reads.count
                    self._send(AtWork())
