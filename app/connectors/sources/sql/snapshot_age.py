"""Warns of a snapshot that is read for long: the database keeps old versions of rows for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.contract.passes import Log

_OLD_SECONDS: Final = 1800.0


class SnapshotAge:
    """Begins with the snapshot; `harm` is what an old one does to its database, empty if it does none."""

    def __init__(self, harm: str, *, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._harm = harm
        self._log = log
        self._clock = clock
        self._old_at = clock() + _OLD_SECONDS

    def look(self) -> None:
        """Warn once when it is old."""
        if not self._harm or self._clock() < self._old_at:
            return
        self._old_at = float("inf")
        self._log(
            "warn",
            f"this reading's snapshot of the source is older than {_OLD_SECONDS / 60:g} minutes: until it ends, "
            f"{self._harm}. Read less at once, with a 'cursor_field' or an 'interval', or read from a replica",
        )
