"""Tasks of collections that this worker's catalogue does not have.

Replicas do not read a new file at the same moment, so another worker may know what this one does not: it hands the
attempt back and leaves the collection to the others, until it knows it or nobody has known it for too long.
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

PATIENCE: Final = timedelta(minutes=2)
"""How long one worker after the other may take a task without knowing its collection, by the database's clock."""

# The database decides what is over; by this machine's clock it is only forgotten.
_CLOCKS_APART: Final = timedelta(hours=1)
# However many workers there are, and however often they start anew, this is all that they take it in that time.
_DELAY: Final = timedelta(seconds=2)


class LeftToOthers:
    """The collections that one worker leaves to the others."""

    def __init__(self, watcher: CatalogueWatcher) -> None:
        self._watcher = watcher
        self._catalogue: Catalogue | None = None
        self._until: dict[tuple[str, str], datetime] = {}

    def now(self) -> dict[tuple[str, str], datetime]:
        """(source, collection) → until when, by the database's clock; none that the catalogue has by now."""
        catalogue, over = self._watcher.current, datetime.now(UTC) - _CLOCKS_APART
        self._until = {key: until for key, until in self._until.items() if until > over}
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            self._until = {key: until for key, until in self._until.items() if not _has(catalogue, key)}
        return self._until

    def outcome_of(self, claim: Claim, error: ConfigurationError, *, since: datetime) -> Outcome:
        """What becomes of an attempt whose collection the catalogue does not have, for the reason in `error`.

        `since` is when the first of the workers took the task that did not know it, one after the other.
        """
        me = f"worker {socket.gethostname()} (pid {os.getpid()})"
        # What is missing may stand in a newest version that is refused.
        refused = self._watcher.problem is not None
        key, until = (claim.source, claim.collection), since + PATIENCE
        if claim.at >= until:
            self._until.pop(key, None)
            whose = ", whose newest configuration is refused" if refused else ""
            return Outcome(
                Result.FAILED,
                f"{error}. For {PATIENCE.total_seconds():.0f} seconds no worker that took the task had it in its "
                f"configuration (last: {me}{whose}). Give all workers the same configuration, then request the task "
                "again",
                retryable=False,
            )
        # Unless it has come meanwhile: a collection that this worker has is nobody else's.
        if not _has(self._watcher.current, key):
            self._until[key] = until
        left = (until - claim.at).total_seconds()
        whose = ", whose newest version is refused" if refused else ""
        return Outcome(
            Result.HANDED_BACK,
            reason=f"{me} does not have it in its configuration{whose}: {error}. Other workers "
            f"may take it for another {left:.0f} seconds",
            delay=_DELAY,
            unknown_since=since,
        )


def _has(catalogue: Catalogue, key: tuple[str, str]) -> bool:
    try:
        catalogue.find(*key)
    except ConfigurationError:
        return False
    return True
