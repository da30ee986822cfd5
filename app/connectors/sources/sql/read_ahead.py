"""Threads that read the parts of a table in order, a little ahead of their consumer."""

from __future__ import annotations

import threading
from queue import Full, Queue
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from app.connectors.sources.sql.parts import Part

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_BATCHES_OF_A_PART: Final = 3
_LOOK_SECONDS: Final = 0.2
_END_SECONDS: Final = 10.0


class Reader(Protocol[T_co]):
    """A connection; each is used by one thread, except that any may call `cancel`."""

    def read(self, part: Part) -> Iterator[T_co]: ...

    def cancel(self) -> None:
        """Ends the statement that runs now."""

    def close(self) -> None: ...


class _StoppedError(Exception):
    """Nobody takes what is read any more."""


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """So many threads are a part or two ahead, with a few batches of each, so that memory does not grow."""

    def __init__(self, connect: Callable[[], Reader[T]], parts: Sequence[Part], *, threads: int) -> None:
        self._connect = connect
        self._parts = parts
        self._batches: list[Queue[T | _Failure | None]] = [Queue(_BATCHES_OF_A_PART) for _ in parts]
        self._numbers = iter(range(len(parts)))
        self._taking = threading.Lock()
        self._ahead = threading.Semaphore(threads + 1)
        self._stopped = threading.Event()
        self._readers: list[Reader[T]] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(min(threads, len(parts)))]

    def batches(self) -> Generator[tuple[Part, T | None], None, None]:
        """Each batch with its part; None ends the part.

        Raises:
            Exception: what a reader has raised.
        """
        try:
            for thread in self._threads:
                thread.start()
            for part, queue in zip(self._parts, self._batches, strict=True):
                while (batch := queue.get()) is not None:
                    if isinstance(batch, _Failure):
                        raise batch.error
                    yield part, batch
                self._ahead.release()
                yield part, None
        finally:
            self._stop()

    def _stop(self) -> None:
        self._stopped.set()
        for reader in list(self._readers):
            reader.cancel()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_END_SECONDS)

    def _run(self) -> None:
        reader: Reader[T] | None = None
        try:
            while (number := self._next_number()) is not None:
                try:
                    if reader is None:
                        reader = self._connect()
                        self._readers.append(reader)
                    for batch in reader.read(self._parts[number]):
                        self._put(number, batch)
                    self._put(number, None)
                except _StoppedError:
                    raise
                except BaseException as error:  # noqa: BLE001 -- whoever takes the batches raises it
                    self._put(number, _Failure(error))
                    return
        except _StoppedError:
            return
        finally:
            if reader is not None:
                reader.close()

    def _next_number(self) -> int | None:
        while not self._ahead.acquire(timeout=_LOOK_SECONDS):
            self._check()
        self._check()
        with self._taking:
            return next(self._numbers, None)

    def _put(self, number: int, batch: T | _Failure | None) -> None:
        while True:
            self._check()
            try:
                self._batches[number].put(batch, timeout=_LOOK_SECONDS)
            except Full:
                continue
            return

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError
