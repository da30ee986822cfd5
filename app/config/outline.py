"""What a catalogue says, without anything that may be secret: two catalogues are compared by their outlines.

Keys whose values cannot be secret have their values. All others, such as those below `config`, have a digest of what is
written in the file, before its placeholders are replaced, and without secrets. So neither another environment nor a
password that was renewed makes a difference.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from app.connectors.contract.standing import Standing
from app.domain.attempt_protocol import SourceJob
from app.domain.catalogue_parts import leaves
from app.domain.collection import Collection
from app.domain.duration import format_duration
from app.domain.mappings import mapping_of
from app.domain.naming import AS_IS, Naming
from app.domain.secret_names import is_secret_name
from app.domain.without_secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.catalogue import Catalogue
    from app.config.destinations import Destination
    from app.config.sources import Source

_DIGITS: Final = 16
# Keys of a collection that are no settings.
_OTHERS: Final = frozenset({"name", "parameters"})
# Nothing of an outline depends on the time.
_ANY_TIME: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Covered(msgspec.Struct, frozen=True):
    """What the bookmarks of a collection stand for: if it changes, everything is loaded again.

    `reads` is a table or stream of the source, `writes` the table, or what the names of several depend on. `query` is
    a digest, empty if no query is read; `key` the one that the user has set.
    """

    reads: str
    writes: str
    query: str
    key: tuple[str, ...]

    def standing(self, naming: Naming) -> Standing:
        """The same as attempts compare it, at a destination that names its tables this way."""
        standing = Standing(self.reads, self.writes, (self.writes,), query=self.query, key=self.key)
        return standing.in_naming(naming)


class CollectionOutline(msgspec.Struct, frozen=True):
    """`settings` are keys with other values than the default, those of the source included."""

    settings: dict[str, Any]
    digests: dict[str, str]
    covers: Covered


class SourceOutline(msgspec.Struct, frozen=True):
    """A source, and its collections by name."""

    type: str
    destinations: tuple[str, ...]
    pool: str
    digests: dict[str, str]
    collections: dict[str, CollectionOutline]


class DestinationOutline(msgspec.Struct, frozen=True):
    """Two destinations with the same outline have the same tables, unless their environments differ."""

    type: str
    naming: Naming
    digests: dict[str, str]


class Outline(msgspec.Struct, frozen=True):
    """The sources and destinations of a catalogue that can be used, by their ids."""

    sources: dict[str, SourceOutline]
    destinations: dict[str, DestinationOutline]


def outline_of(catalogue: Catalogue) -> Outline:
    """What the catalogue says, as far as it can be used."""
    return Outline(
        {id_: _source(source) for id_, source in catalogue.sources.items()},
        {id_: _destination(destination) for id_, destination in catalogue.destinations.items()},
    )


def _source(source: Source) -> SourceOutline:
    written = mapping_of(source.written)
    given = written.get("collections")
    collections = dict(enumerate(given)) if isinstance(given, list) else {}
    return SourceOutline(
        type=source.type,
        destinations=source.destinations,
        pool=source.pool,
        digests=_digests({"config": written["config"]} if written.get("config") else {}),
        collections={
            each.name: _collection(
                source, each, mapping_of(collections.get(source.positions[each.name])).get("parameters")
            )
            for each in source.collections.values()
        },
    )


def _collection(source: Source, collection: Collection, parameters: Any) -> CollectionOutline:
    defaults = _defaults()
    return CollectionOutline(
        settings={
            name: _plain(name, value)
            for name in Collection.model_fields
            if name not in _OTHERS and (value := getattr(collection, name)) != getattr(defaults, name)
        },
        digests=_digests({"parameters": parameters} if parameters else {}),
        covers=_covered(source, collection, parameters),
    )


@cache
def _defaults() -> Collection:
    return Collection(name="any")


def _covered(source: Source, collection: Collection, parameters: Any) -> Covered:
    job = SourceJob(
        source=source.id,
        source_type=source.type,
        source_config=mapping_of(without_secrets(mapping_of(source.written).get("config"))),
        collection=msgspec.structs.replace(
            collection.for_attempt(_ANY_TIME), parameters=mapping_of(without_secrets(parameters))
        ),
        data_dir="",
    )
    standing = Standing.of(job)
    return Covered(standing.reads, standing.writes, standing.query or "", standing.key or ())


def _destination(destination: Destination) -> DestinationOutline:
    written = {key: value for key, value in mapping_of(destination.written).items() if key not in {"type", "naming"}}
    return DestinationOutline(destination.type, destination.options.get("naming", AS_IS), _digests(written))


def _digests(written: Mapping[str, Any]) -> dict[str, str]:
    return {".".join(path): _digest(path, value) for path, value in leaves(written)}


def _digest(path: tuple[str, ...], value: Any) -> str:
    shown = without_secrets(value, secret=any(map(is_secret_name, path)))
    text = json.dumps(shown, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def _plain(name: str, value: Any) -> Any:
    """A value as JSON, in the form in which it is written in a catalogue."""
    match value:
        case None:
            return "none"
        case dt.timedelta():
            return format_duration(value)
        case float() if name == "max_shrink":
            return f"{value:g}%"
        case BaseModel():
            return value.model_dump(mode="json", exclude_defaults=True)
        case _:
            return to_jsonable_python(value)
