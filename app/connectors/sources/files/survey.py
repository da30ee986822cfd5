"""How much of many files a check reads: every file its share of a few seconds and megabytes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.connectors.contract.passes import Doubt, Rows
from app.domain.counts import count
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.connectors.contract.passes import Item

SECONDS: Final = 30.0
BYTES: Final = 256 << 20
_MEGABYTE: Final = 10**6


@dataclass(slots=True)
class Survey:
    """Short files leave their share to those that follow. The beginning of each is read, as long as there is time."""

    files: int
    rows: int = 0
    _whole: int = 0
    _begun: int = 0
    _bytes: int = 0
    _until: float = 0.0

    def __post_init__(self) -> None:
        self._until = time.monotonic() + SECONDS

    @property
    def has_time(self) -> bool:
        """Whether another file can be begun."""
        return time.monotonic() < self._until

    def read(self, items: Iterable[Item]) -> None:
        """Reads a file, as far as its share goes; raises what reading it raises."""
        waiting = self.files - self._begun
        self._begun += 1
        until = time.monotonic() + (self._until - time.monotonic()) / waiting
        most = self._bytes + (BYTES - self._bytes) // waiting
        for item in items:
            if isinstance(item, Doubt):
                raise SynclineError(item.reason)
            if isinstance(item, Rows):
                self.rows += len(item.batch)
                self._bytes += item.size
            if self._bytes > most or time.monotonic() > until:
                return
        self._whole += 1

    def describe(self) -> str:
        """`2 of 3 files, and the beginning of 1 more: 1,200 rows, 3 MB`."""
        part, left = self._begun - self._whole, self.files - self._begun
        told = f"{self._whole:,} of {count(self.files, 'file')}"
        told += f", and the beginning of {part:,} more" if part else ""
        told += f"; no time for {left:,}" if left else ""
        return f"{told}: {count(self.rows, 'row')}, {self._bytes / _MEGABYTE:,.1f} MB"
