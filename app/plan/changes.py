"""What is different between the catalogue that runs and another one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from app.domain.duration import parse_duration
from app.domain.schedule import PeriodicSchedule, parse_schedule
from app.domain.spread import spread_delay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.config.outline import CollectionOutline, Outline, SourceOutline

_UTC: Final = "UTC"


class Verb(StrEnum):
    """What has happened to a part or to a key of it."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Kind(StrEnum):
    """What a part of a catalogue is."""

    SOURCE = "source"
    COLLECTION = "collection"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class Change:
    """A part that was added or removed, or a `key` of it that has changed.

    `before` and `after` are its values; both None if they may be secret. Of a collection that was added or removed they
    are its schedule. `next_fire_at` is when it fires next, if it is new or has another schedule; its task starts
    `delay` later.
    """

    verb: Verb
    kind: Kind
    name: str
    source: str = ""
    key: str = ""
    before: Any = None
    after: Any = None
    next_fire_at: dt.datetime | None = None
    delay: dt.timedelta = dt.timedelta()

    @property
    def next_start_at(self) -> dt.datetime | None:
        """When the task of the next fire time starts."""
        return self.next_fire_at and self.next_fire_at + self.delay

    @property
    def subject(self) -> str:
        """The full name of the part."""
        return f"{self.source}.{self.name}" if self.source else self.name


def changes_between(running: Outline, planned: Outline, now: dt.datetime) -> list[Change]:
    """Every difference: the sources with their collections in the order of the catalogues, then the destinations."""
    changes: list[Change] = []
    for name in _either(running.sources, planned.sources):
        changes += _about_source(name, running.sources.get(name), planned.sources.get(name), now)
    for name in _either(running.destinations, planned.destinations):
        before, after = running.destinations.get(name), planned.destinations.get(name)
        if before and after:
            settings = [{"type": each.type, "naming": each.naming} for each in (before, after)]
            keys = [*_settings(*settings), *_digests(before.digests, after.digests)]
            changes += (Change(Verb.CHANGED, Kind.DESTINATION, name, "", *key) for key in keys)
        else:
            changes.append(Change(_verb(before), Kind.DESTINATION, name))
    return changes


def changed_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The keys that are new, gone, or have another digest."""
    return [key for key in _either(before, after) if before.get(key) != after.get(key)]


def _about_source(
    name: str, before: SourceOutline | None, after: SourceOutline | None, now: dt.datetime
) -> Iterator[Change]:
    if before and after:
        settings = [
            {"type": each.type, "destinations": list(each.destinations), "pool": each.pool} for each in (before, after)
        ]
        for key in [*_settings(*settings), *_digests(before.digests, after.digests)]:
            yield Change(Verb.CHANGED, Kind.SOURCE, name, "", *key)
    else:
        yield Change(_verb(before), Kind.SOURCE, name)
    running, planned = (each.collections if each else {} for each in (before, after))
    for collection in _either(running, planned):
        yield from _about_collection(name, collection, running.get(collection), planned.get(collection), now)


def _about_collection(
    source: str, name: str, before: CollectionOutline | None, after: CollectionOutline | None, now: dt.datetime
) -> Iterator[Change]:
    was, planned = (_schedule(each.settings) if each else None for each in (before, after))
    delay = _delay(source, name, after.settings) if after else dt.timedelta()
    fires = _next_fire(after.settings, now, delay) if after else None
    if before is None or after is None:
        yield Change(_verb(before), Kind.COLLECTION, name, source, "", was, planned, fires, delay)
        return
    if was != planned:
        yield Change(Verb.CHANGED, Kind.COLLECTION, name, source, "schedule", was, planned, fires, delay)
    settings = [_without_schedule(each.settings) for each in (before, after)]
    for key in [*_settings(*settings), *_digests(before.digests, after.digests)]:
        yield Change(Verb.CHANGED, Kind.COLLECTION, name, source, *key)


def _schedule(settings: Mapping[str, Any]) -> str | None:
    """The schedule with its time zone; None: only on request."""
    if "schedule" not in settings:
        return None
    zone = settings.get("timezone", _UTC)
    return f"{settings['schedule']}" if zone == _UTC else f"{settings['schedule']} ({zone})"


def _delay(source: str, name: str, settings: Mapping[str, Any]) -> dt.timedelta:
    return spread_delay(source, name, parse_duration(settings.get("spread", "0s")))


def _next_fire(settings: Mapping[str, Any], now: dt.datetime, delay: dt.timedelta) -> dt.datetime | None:
    """The fire time of the next task to start."""
    if "schedule" not in settings:
        return None
    schedule = parse_schedule(settings["schedule"], settings.get("timezone", _UTC))
    return schedule.next_after(now if isinstance(schedule, PeriodicSchedule) else now - delay)


def _without_schedule(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without a schedule, nothing is in a time zone."""
    return {key: value for key, value in settings.items() if key not in {"schedule", "timezone"}}


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in _either(before, after):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)


def _digests(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, None, None]]:
    return ((key, None, None) for key in changed_keys(before, after))


def _verb(before: object) -> Verb:
    return Verb.REMOVED if before else Verb.ADDED


def _either(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """The names in their order, those of what runs first."""
    return list(dict.fromkeys([*before, *after]))
