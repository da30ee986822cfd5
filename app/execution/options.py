"""The options of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.pool import DEFAULT_POOL

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

# A task is canceled within 5 seconds: this time to end after SIGTERM, the rest to kill.
_LONGEST_GRACE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`slots` concurrent attempts, the length of the lease, and the time for running attempts after a stop signal.

    Only tasks of `pools` are claimed; with `EVERY_POOL` all are.
    """

    slots: int
    lease: timedelta
    drain_seconds: float
    data_dir: Path
    release: str
    pools: tuple[str, ...] = (DEFAULT_POOL,)

    @property
    def grace_seconds(self) -> float:
        """The time between SIGTERM and SIGKILL; short enough that the lease cannot expire meanwhile."""
        return min(_LONGEST_GRACE_SECONDS, self.lease.total_seconds() / 10)
