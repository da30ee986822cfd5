"""What a worker is told about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

# A cancel is over within 5 seconds: this much at most for a polite end, the rest for a certain one.
_LONGEST_GRACE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`slots` attempts at once under a lease of `lease`; `drain_seconds` for running attempts after a stop."""

    slots: int
    lease: timedelta
    drain_seconds: float
    data_dir: Path
    release: str

    @property
    def grace_seconds(self) -> float:
        """Between asking an attempt to end and ending it; never so long that the lease could run out meanwhile."""
        return min(_LONGEST_GRACE_SECONDS, self.lease.total_seconds() / 10)
