"""The parts of a catalogue by digests of their keys, and what has changed from one content to the next.

Changes name sources, collections, destinations and keys, and never a value.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.domain import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_NAMES: Final = 1000
"""So many names of collections are in one event; `more` counts the others."""


MOST_PROBLEMS: Final = 100
"""So many of what is wrong with a source are in one event."""

# `config.config.password`: what is deeper counts with its key at this level.
_DEEPEST: Final = 3


class Kind(StrEnum):
    """What a part is. `REJECTED` are the problems of a source; `SECTION` is another section of the file."""

    SOURCE = "source"
    COLLECTION = "collection"
    DESTINATION = "destination"
    SECTION = "section"
    REJECTED = "rejected"


class PartKey(NamedTuple):
    """Names a part; `collection` is empty for all but collections."""

    kind: Kind
    name: str
    collection: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The keys of a part, each with the digest of its value; those of `REJECTED` say what is wrong there instead."""

    digest: str
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of one content of a catalogue.

    `digest` is that of the whole, made with the key `key_id`. `unknown` are rejected sources of which this process has
    no version: nothing is said about them.
    """

    digest: str
    key_id: str
    parts: Mapping[PartKey, Part]
    unknown: frozenset[str] = frozenset()

    def does_not_know(self, key: PartKey) -> bool:
        return key.name in self.unknown and key.kind in {Kind.SOURCE, Kind.COLLECTION}


class Fact(NamedTuple):
    """An event about the catalogue: its type, and its data."""

    type: str
    data: dict[str, Any]


@dataclass(slots=True)
class _Names:
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)

    def note(self, name: str, before: Part | None, after: Part | None) -> None:
        match before, after:
            case None, Part():
                self.added.append(name)
            case Part(), None:
                self.removed.append(name)
            case Part(), Part():
                self.changed[name] = changed_keys(before, after)

    @property
    def data(self) -> dict[str, Any]:
        named = {"added": self.added[:MOST_NAMES], "removed": self.removed[:MOST_NAMES]}
        changed = dict(list(self.changed.items())[:MOST_NAMES])
        more = sum(max(0, len(names) - MOST_NAMES) for names in (self.added, self.removed, self.changed))
        return {name: found for name, found in {**named, "changed": changed, "more": more}.items() if found}


def facts_of(before: Mapping[PartKey, Part], after: Mapping[PartKey, Part]) -> list[Fact]:
    """What has happened to the parts that differ: an event for each source, and one for all the rest.

    `before` and `after` have only those parts; a part that only one of them has was added or removed.
    """
    keys = sorted(before.keys() | after.keys())
    return [
        *_about_sources(before, after, keys),
        *_about_the_rest(before, after, keys),
        *_rejections(after, keys),
    ]


def changed_keys(before: Part, after: Part) -> list[str]:
    """The keys that are new, gone, or have another value."""
    return sorted(key for key in before.keys.keys() | after.keys.keys() if before.keys.get(key) != after.keys.get(key))


def leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The keys of a part with their values; of what is nested, those of the innermost mappings that count as keys."""
    for name, inner in value.items():
        here = (*path, str(name))
        if isinstance(inner, dict) and inner and len(here) < _DEEPEST:
            yield from leaves(inner, here)
        else:
            yield here, inner


def _about_sources(
    before: Mapping[PartKey, Part], after: Mapping[PartKey, Part], keys: Iterable[PartKey]
) -> Iterator[Fact]:
    sources: dict[str, dict[str, Any]] = defaultdict(lambda: {"change": "changed"})
    collections: dict[str, _Names] = defaultdict(_Names)
    for key in keys:
        old, new = before.get(key), after.get(key)
        if key.kind is Kind.COLLECTION:
            collections[key.name].note(key.collection, old, new)
        elif key.kind is Kind.SOURCE:
            if old and new:
                sources[key.name]["keys"] = changed_keys(old, new)
            else:
                sources[key.name]["change"] = "added" if new else "removed"
    for source in sorted(sources.keys() | collections.keys()):
        of_collections = collections[source].data
        more = {"collections": of_collections} if of_collections else {}
        yield Fact(events.CATALOGUE_CHANGED, {"source": source, **sources[source], **more})


def _about_the_rest(
    before: Mapping[PartKey, Part], after: Mapping[PartKey, Part], keys: Iterable[PartKey]
) -> Iterator[Fact]:
    destinations = _Names()
    sections: dict[str, list[str]] = {}
    for key in keys:
        old, new = before.get(key), after.get(key)
        if key.kind is Kind.DESTINATION:
            destinations.note(key.name, old, new)
        elif key.kind is Kind.SECTION:
            nothing = Part("", {})
            sections[key.name] = changed_keys(old or nothing, new or nothing)
    data = {name: changed for name, changed in {"destinations": destinations.data, **sections}.items() if changed}
    if data:
        yield Fact(events.CATALOGUE_CHANGED, data)


def _rejections(after: Mapping[PartKey, Part], keys: Iterable[PartKey]) -> Iterator[Fact]:
    for key in keys:
        if key.kind is not Kind.REJECTED:
            continue
        if key in after:
            problems = [{"path": path, "message": message} for path, message in after[key].keys.items()]
            more = {"more": len(problems) - MOST_PROBLEMS} if len(problems) > MOST_PROBLEMS else {}
            yield Fact(events.SOURCE_REJECTED, {"source": key.name, "problems": problems[:MOST_PROBLEMS], **more})
        else:
            yield Fact(events.SOURCE_ACCEPTED, {"source": key.name})
