"""The schedules that the catalogue writes, brought into the table that all replicas share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.schedule import PeriodicSchedule, parse_schedule
from app.domain.spread import spread_delay
from app.store.schedules import ScheduleDefinition

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.store.schedules import Schedules, StoredSchedule

# How often the catalogue is checked, and how often the table.
_CATALOGUE_SECONDS: Final = 0.5
_TABLE_SECONDS: Final = 60.0
# The replicas that have a schedule must find the mark of one that misses it long before the schedule ends.
_LOOKS_PER_PATIENCE: Final = 4

_logger = structlog.get_logger("syncline.scheduler")


async def put_definitions(schedules: Schedules, catalogue: Catalogue) -> int | None:
    """Add, change and end schedules, so that the table matches the catalogue.

    Fire times in the past are never started: a new, changed or restored schedule begins at its next fire time. An
    unchanged one continues, and its misfire policy decides about fire times that a downtime missed.

    A schedule whose source or collection is not in this catalogue may be in that of another replica. It continues until
    it has been missing for `unknown_source_patience`.

    Returns the digest of the table if there is nothing left to do, else None.
    """
    written = {definition.key: definition for definition in definitions_of(catalogue)}
    stored, digest, now = await schedules.list_all()
    known = {schedule.definition.key: schedule for schedule in stored}
    changed = [
        (definition, begin_of(definition, known.get(key), now))
        for key, definition in written.items()
        if key not in known or not known[key].active or known[key].definition != definition
    ]
    # A rejected source is not a removed one: another replica may well be able to read it.
    gone = {
        key: schedule.missing_since
        for key, schedule in known.items()
        if schedule.active and key not in written and schedule.definition.source not in catalogue.rejected
    }
    removed = [key for key in gone if _has_collection(catalogue, *key)]
    missing = [key for key in gone if not _has_collection(catalogue, *key)]
    newly = [key for key in missing if gone[key] is None]
    found = [key for key, schedule in known.items() if schedule.missing_since and schedule.active and key not in gone]
    await schedules.put(changed)
    await schedules.end(removed)
    await schedules.mark(newly, found)
    ended = await schedules.end_missing(missing, patience=catalogue.server.unknown_source_patience)
    counts = {"updated": len(changed), "ended": len(removed + ended), "missing": len(newly), "found": len(found)}
    if any(counts.values()):
        _logger.info("schedules.changed", **counts)
    return None if changed or gone or found else digest


def definitions_of(catalogue: Catalogue) -> list[ScheduleDefinition]:
    """Every collection with a schedule."""
    return [
        ScheduleDefinition(
            source=source.id,
            collection=collection.name,
            source_type=source.type,
            max_attempts=collection.max_attempts,
            expression=collection.schedule,
            timezone=collection.timezone,
            misfire=collection.misfire,
            misfire_window=collection.misfire_window,
            pool=source.pool,
            delay=spread_delay(source.id, collection.name, collection.spread),
        )
        for source in catalogue.sources.values()
        for collection in source.collections.values()
        if collection.schedule
    ]


def _has_collection(catalogue: Catalogue, source: str, collection: str) -> bool:
    return source in catalogue.sources and collection in catalogue.sources[source].collections


def begin_of(definition: ScheduleDefinition, stored: StoredSchedule | None, now: datetime) -> datetime | None:
    """When a schedule that is new or changed starts its first task: after now, and `delay` after a fire time.

    A period goes on from the last fire time it had.
    """
    last_fire = stored.last_fire_at if stored else None
    schedule = parse_schedule(definition.expression, definition.timezone)
    # A period that begins now has no fire times before.
    is_new_period = isinstance(schedule, PeriodicSchedule) and last_fire is None
    fires = schedule.next_after(now if is_new_period else now - definition.delay, last_fire)
    return fires and fires + definition.delay


class Definitions:
    """Writes each new version of the catalogue into the table, and checks from time to time that it is still there.

    A replica with an older file may miss schedules that this file defines, or have ended them. Comparing 100,000
    definitions takes a second of the loop's time, so it is done only if the table's digest differs from that of the
    last comparison that found nothing to do.
    """

    def __init__(
        self, schedules: Schedules, watcher: CatalogueWatcher, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called when fire times may have become earlier."""
        self._schedules = schedules
        self._watcher = watcher
        self._changed = changed
        self._put: Catalogue | None = None
        self._right: int | None = None
        self._looked_at = 0.0

    async def step(self) -> float:
        """Put what has changed; the seconds until the next look."""
        catalogue = self._watcher.current
        is_new = catalogue is not self._put
        patience = catalogue.server.unknown_source_patience.total_seconds()
        if is_new or time.monotonic() - self._looked_at > min(_TABLE_SECONDS, patience / _LOOKS_PER_PATIENCE):
            if is_new or not await self._is_right():
                self._right = await put_definitions(self._schedules, catalogue)
                self._put = catalogue
                self._changed()
            self._looked_at = time.monotonic()
        return _CATALOGUE_SECONDS

    async def _is_right(self) -> bool:
        """Whether the table is as it was when it said what the catalogue says."""
        return self._right is not None and await self._schedules.get_digest() == self._right
