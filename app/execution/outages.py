"""Destinations that cannot be reached: one attempt tries them again, and the tasks of all others wait.

Workers leave the sources of such a destination out when they claim, so their tasks stay in the queue as they are. When
it may be tried again, the first attempt to ask is the probe; others that were claimed with it are handed back.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.duration import format_duration
from app.domain.timestamp import utc_in_words
from app.execution.outcome import Outcome, Result
from app.store.pauses import WHOLE_SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from app.config.watch import CatalogueWatcher
    from app.store.outages import Outage, Outages

_FIRST: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(minutes=1)
# Workers that have not heard of the outage yet must not claim the task again and again.
_DELAY: Final = timedelta(seconds=1)
_SECONDS_BETWEEN_LOOKS: Final = 5.0

_logger = structlog.get_logger("syncline.worker")


class KnownOutages:
    """The outages as a worker last saw them."""

    def __init__(self, outages: Outages, watcher: CatalogueWatcher, *, due: Callable[[], None]) -> None:
        """`due` tells all workers that tasks can be claimed."""
        self._outages = outages
        self._watcher = watcher
        self._due = due
        self._known: Mapping[str, Outage] = {}
        self._refreshed_at = float("-inf")

    async def look(self) -> None:
        """Refresh, but seldom while none is known.

        Of one that has begun meanwhile, an attempt learns by itself, which costs it nothing.
        """
        if self._known or time.monotonic() - self._refreshed_at >= _SECONDS_BETWEEN_LOOKS:
            await self.refresh()

    async def refresh(self) -> None:
        """Learn which outages there are."""
        self._refreshed_at = time.monotonic()
        self._known = {outage.destination: outage for outage in await self._outages.list_current()}

    def left_out(self) -> dict[tuple[str, str], datetime]:
        """The sources that wait for a destination, and until when, by the database's clock."""
        until: dict[tuple[str, str], datetime] = {}
        for outage in self._known.values():
            for source in self._sources_of(outage.destination):
                key = source, WHOLE_SOURCE
                until[key] = max(outage.probe_at, until.get(key, outage.probe_at))
        return until

    async def admit(self, destinations: Collection[str]) -> tuple[set[str], Outage | None]:
        """Which of its destinations an attempt probes, and the outage that it has to wait for, if there is one."""
        known = sorted(self._known.keys() & {*destinations})
        if not known:
            return set(), None
        probed = await self._outages.begin_probe(known)
        if not probed:
            await self.refresh()
        return probed, None if probed else self._first_of(known)

    async def report(self, destinations: Sequence[str], error: str, *, probed: Collection[str]) -> Outage | None:
        """Note that destinations cannot be reached: the outage of the first."""
        for name in destinations:
            await self._outages.report(
                name, self._sources_of(name), error, is_probe=name in probed, first=_FIRST, longest=_LONGEST
            )
        await self.refresh()
        outage = self._first_of(destinations)
        if outage is not None:
            _logger.warning("destination.unreachable", destination=outage.destination, error=error)
        return outage

    async def end(self, destination: str) -> None:
        """Note that a destination can be reached again: those that wait go on."""
        if await self._outages.end(destination):
            _logger.info("destination.reached", destination=destination)
            await self.refresh()
            self._due()

    def _first_of(self, destinations: Collection[str]) -> Outage | None:
        return next((self._known[name] for name in destinations if name in self._known), None)

    def _sources_of(self, destination: str) -> list[str]:
        return [source.id for source in self._watcher.current.sources.values() if destination in source.destinations]


def waits_for(outage: Outage, *, now: datetime, since: datetime, longest: timedelta) -> Outcome:
    """Decide about an attempt whose destination cannot be reached.

    `since` is when the task began to do nothing but wait for that; it may do so for `longest`.
    """
    reason = f"{outage.error}; it cannot be reached since {utc_in_words(outage.since)}"
    if now - since > longest:
        return Outcome(Result.FAILED, f"{reason}, and 'max_delay' ({format_duration(longest)}) allows no longer wait")
    return Outcome(
        Result.HANDED_BACK,
        reason=f"{reason}; one task tries it again, and the others wait",
        delay=_DELAY,
        unreachable_since=since,
    )
