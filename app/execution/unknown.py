"""Tasks whose collection is not in this worker's catalogue.

Replicas do not load a new catalogue at the same moment, so another worker may know the collection. This worker hands
the attempt back and leaves the collection to the others, until it knows it too, or no worker has known it for too long.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError
from app.execution.outcome import Outcome, Result

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.domain.claim import Claim

# The database's clock decides; this machine's clock, which may differ, is only used to clean up.
_CLOCK_TOLERANCE: Final = timedelta(hours=1)
# Limits how often the task is claimed in that time, however many workers there are.
_DELAY: Final = timedelta(seconds=2)


class LeftToOthers:
    """The collections that a worker leaves to other workers."""

    def __init__(self, watcher: CatalogueWatcher) -> None:
        self._watcher = watcher
        self._catalogue: Catalogue | None = None
        self._until: dict[tuple[str, str], datetime] = {}

    def current(self) -> dict[tuple[str, str], datetime]:
        """(source, collection) → until when, by the database's clock; without those that the catalogue now has."""
        catalogue, expired = self._watcher.current, datetime.now(UTC) - _CLOCK_TOLERANCE
        self._until = {key: until for key, until in self._until.items() if until > expired}
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            self._until = {key: until for key, until in self._until.items() if not _has(catalogue, key)}
        return self._until

    def outcome_of(self, claim: Claim, error: ConfigurationError, *, since: datetime) -> Outcome:
        """Decide about an attempt whose collection is not in the catalogue; `error` says what is missing.

        `since` is when the first of the consecutive workers that did not know the collection claimed the task.
        """
        me = f"worker {socket.gethostname()} (pid {os.getpid()})"
        # The collection may be in a newer catalogue that this worker has refused.
        refused = self._watcher.problem is not None
        patience = self._watcher.current.server.unknown_source_patience
        key, until = (claim.source, claim.collection), since + patience
        if claim.at >= until:
            self._until.pop(key, None)
            whose = ", which has refused the newest version of it" if refused else ""
            return Outcome(
                Result.FAILED,
                f"{error}. For {patience.total_seconds():.0f} seconds no worker that claimed the task had it in its "
                f"catalogue (last: {me}{whose}). Give all workers the same catalogue, then request the task again",
                retryable=False,
            )
        # Unless the catalogue was reloaded meanwhile and has the collection now.
        if not _has(self._watcher.current, key):
            self._until[key] = until
        left = (until - claim.at).total_seconds()
        whose = ", whose newest version it has refused" if refused else ""
        return Outcome(
            Result.HANDED_BACK,
            reason=f"{me} does not have it in its catalogue{whose}: {error}. Other workers may claim it for another "
            f"{left:.0f} seconds",
            delay=_DELAY,
            unknown_since=since,
        )


def _has(catalogue: Catalogue, key: tuple[str, str]) -> bool:
    try:
        catalogue.find(*key)
    except ConfigurationError:
        return False
    return True
