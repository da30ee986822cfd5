"""What becomes of tables that were loaded, once another catalogue runs: as far as attempts decide it by the catalogue.

Nothing drops a table because of a catalogue. Whatever else makes an attempt load everything again, such as a table that
was emptied, is not in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.domain.collection import ALL
from app.domain.naming import AS_IS, namer
from app.domain.writing import BAD_ROWS, Deletes, WriteMode
from app.plan.changes import changed_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.config.outline import CollectionOutline, DestinationOutline, Outline, SourceOutline
    from app.plan.running import Running

# Whoever logs in does so at the same place.
_LOGIN: Final = frozenset({"user", "username", "password", "password_command"})


class Fate(StrEnum):
    """What becomes of a table.

    `RELOADED`: all rows are read and written again. `REPLACED`: each task replaces all rows, which it did not do
    before. `MOVED`: if the destination is another place now, everything is loaded there. `REFUSED`: the next task
    fails. `TAKEN`: another collection loads it. `LEFT`: nothing loads it any more; the rows stay.
    """

    RELOADED = "reloaded"
    REPLACED = "replaced"
    MOVED = "moved"
    REFUSED = "refused"
    TAKEN = "taken"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table of a collection that runs; `reason` is a clause in plain words."""

    destination: str
    table: str
    source: str
    collection: str
    fate: Fate
    reason: str


def table_changes(running: Running, planned: Outline) -> list[TableChange]:
    """Every table of which something becomes, in the order of the catalogue that runs."""
    return [*_Comparison(running.outline, planned, _loaders(planned)).all(running.tables)]


@dataclass(frozen=True, slots=True)
class _Comparison:
    running: Outline
    planned: Outline
    loaders: Mapping[tuple[str, str], str]

    def all(self, tables: Mapping[tuple[str, str], Iterable[tuple[str, str]]]) -> Iterator[TableChange]:
        for (source, collection), loaded in tables.items():
            for destination, table in loaded:
                if not self._is_loaded(source, collection, destination, table):
                    continue
                if found := self._fate(source, collection, destination, table):
                    yield TableChange(destination, table, source, collection, *found)

    def _is_loaded(self, source: str, collection: str, destination: str, table: str) -> bool:
        """Whether the collection still loads it: those that it had under another name are known, too."""
        covers = self.running.sources[source].collections[collection].covers
        was = self.running.destinations.get(destination)
        return covers.reads == ALL or table.removesuffix(BAD_ROWS) == namer(was.naming if was else AS_IS)(covers.writes)

    def _fate(self, source: str, collection: str, destination: str, table: str) -> tuple[Fate, str] | None:
        before, was = self.running.sources[source], self.running.destinations.get(destination)
        after = self.planned.sources.get(source)
        home = _home(destination, was, after, self.planned) if after else destination
        if after is None or collection not in after.collections or home is None:
            return self._left((home or destination, table), _what_is_gone(after, collection, destination))
        now = self.planned.destinations[home]
        if was and (keys := _place_keys(was, now)):
            named = ", ".join(f"'{key}'" for key in keys)
            return Fate.MOVED, f"{named} of destination {home!r} changed; at another place, everything is loaded"
        collections = before.collections[collection], after.collections[collection]
        return _at_same_place(before, after, *collections, was or now, now)

    def _left(self, table: tuple[str, str], gone: str) -> tuple[Fate, str]:
        if other := self.loaders.get(table):
            return Fate.TAKEN, f"{gone}; {other!r} loads everything into it"
        return Fate.LEFT, gone


def _what_is_gone(source: SourceOutline | None, collection: str, destination: str) -> str:
    if source is None:
        return "its source is gone"
    if collection not in source.collections:
        return "its collection is gone"
    return f"its source no longer has the destination {destination!r}"


def _home(name: str, was: DestinationOutline | None, source: SourceOutline, planned: Outline) -> str | None:
    """Which destination of the source has the table: that of its name, or one that only has another name now."""
    if name in source.destinations:
        return name
    return next((each for each in source.destinations if planned.destinations[each] == was), None)


def _place_keys(was: DestinationOutline, now: DestinationOutline) -> list[str]:
    keys = ["type"] if was.type != now.type else changed_keys(was.digests, now.digests)
    return [key for key in keys if key.rpartition(".")[2] not in _LOGIN]


def _at_same_place(  # noqa: PLR0917 -- each of them before and after
    source_before: SourceOutline,
    source_after: SourceOutline,
    before: CollectionOutline,
    after: CollectionOutline,
    was: DestinationOutline,
    now: DestinationOutline,
) -> tuple[Fate, str] | None:
    # Attempts themselves compare these.
    kept, standing = before.covers.standing(was.naming), after.covers.standing(now.naming)
    if kept.writes != standing.writes or kept.naming != standing.naming:
        key = "table_name" if kept.writes != standing.writes else "naming"
        return Fate.LEFT, f"{key!r} has changed; everything is loaded under the new name"
    mode, mode_before = _mode(after), _mode(before)
    if mode_before is WriteMode.HISTORY and mode is not WriteMode.HISTORY:
        return Fate.REFUSED, f"it has a history, which {_write_mode(mode)} would destroy"
    if _keeps_bookmark(before) is not False and _keeps_bookmark(after) is not False:
        if reason := standing.change_from(kept):
            return _reloaded(after, reason)
        if reason := _change_of_cursor(source_before, source_after, before, after):
            return Fate.RELOADED, reason
    if mode is WriteMode.REPLACE and mode_before is not WriteMode.REPLACE:
        return Fate.REPLACED, "from now on, each task replaces all of its rows"
    return None


def _reloaded(after: CollectionOutline, reason: str) -> tuple[Fate, str]:
    if _mode(after) is WriteMode.APPEND:
        return Fate.REFUSED, f"{reason}, and 'append' would add all rows to those that it has; a reset replaces them"
    unsure = "" if _keeps_bookmark(after) else "; unless each task reads everything anyway"
    return Fate.RELOADED, f"{reason}{unsure}"


def _change_of_cursor(
    source_before: SourceOutline, source_after: SourceOutline, before: CollectionOutline, after: CollectionOutline
) -> str | None:
    """Why a source cannot go on from its bookmark, although that stands for the same rows."""
    interval = after.settings.get("interval")
    if interval and interval != before.settings.get("interval"):
        return f"its bookmark has no windows of 'interval: {interval}'; without a key, that takes a reset"
    was, now = before.settings.get("cursor_field"), after.settings.get("cursor_field")
    if was and now and was != now and source_before.type == source_after.type == "sql":
        return f"its bookmark is of cursor_field {was!r}, but now that is {now!r}"
    return None


def _mode(collection: CollectionOutline) -> WriteMode | None:
    """How rows are written; None if that depends on the source."""
    settings = collection.settings
    reads_all = settings.get("sync_mode") == "full_refresh"
    mode = WriteMode(settings["write_mode"]) if "write_mode" in settings else WriteMode.REPLACE if reads_all else None
    # Marked rows have to stay.
    return WriteMode.UPSERT if mode is WriteMode.REPLACE and settings.get("deletes") == Deletes.MARK else mode


def _write_mode(mode: WriteMode | None) -> str:
    return "any other mode" if mode is None else f"'write_mode: {mode}'"


def _keeps_bookmark(collection: CollectionOutline) -> bool | None:
    """Whether a task goes on where the last one has ended; None if that depends on the source."""
    settings = collection.settings
    if settings.get("sync_mode") == "full_refresh":
        return False
    return True if settings.keys() & {"sync_mode", "cursor_field", "interval"} else None


def _loaders(planned: Outline) -> dict[tuple[str, str], str]:
    """Which collection loads a table, by its destination and name."""
    found: dict[tuple[str, str], str] = {}
    for id_, source in planned.sources.items():
        for destination in source.destinations:
            named = namer(planned.destinations[destination].naming)
            for name, collection in source.collections.items():
                found.setdefault((destination, named(collection.covers.writes)), f"{id_}.{name}")
    return found
