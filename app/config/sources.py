"""Sources and their collections, with all defaults applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from app.config.classic.booleans import warn_of_booleans
from app.config.classic.differences import warn_of_differences
from app.config.classic.keys import COLLECTION_KEYS, SOURCE_KEYS, without_classic_keys
from app.config.classic.oauth import fill_client
from app.config.classic.sources import check_classic
from app.config.columns import check_columns
from app.config.constraint_files import with_constraints
from app.config.entry import misspelling_of
from app.config.sections import WrittenSource
from app.config.written import with_plain_numbers
from app.connectors.contract.intervals import why_not_in_windows
from app.connectors.contract.several import ONE_TABLE, is_several
from app.connectors.kinds import DESTINATIONS, LOOK_BACK, READ_INTERVALS, SOURCE_TYPES, SOURCES
from app.connectors.options.complaints import MAPPING, must_be
from app.connectors.options.types import Options
from app.connectors.sources.classic.options import UNMAPPED
from app.domain.about import ABOUT, About
from app.domain.choices import choose_one, unknown_name
from app.domain.collection import ALL, Collection
from app.domain.connector import Connector
from app.domain.keys import name_problem
from app.domain.naming import reserved_table_problem
from app.domain.pool import DEFAULT_POOL
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from app.config.destinations import Destination
    from app.config.entry import Entry
    from app.connectors.options.complaints import KeyPath


@dataclass(frozen=True, slots=True)
class Source:
    """A source that can be synchronised: its destinations exist and its options are valid.

    `config` is what the user wrote for the connector, with placeholders replaced; `from_files` says whether the content
    of a file, which may change, is among it. If it `names_no_collection`, its only one is `ALL`. Only workers of its
    `pool` take its tasks. `connector` reads it. `written` is the entry as it stands in the file, with its placeholders;
    `positions` are the indexes of the collections in it.
    """

    id: str
    type: str
    destinations: tuple[str, ...]
    collections: dict[str, Collection]
    connector: Connector
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    from_files: bool = False
    names_no_collection: bool = False
    pool: str = DEFAULT_POOL
    about: About = field(default_factory=About)
    written: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    positions: dict[str, int] = field(default_factory=dict, repr=False, compare=False)


def read_source(
    entry: Entry,
    *,
    destinations: Mapping[str, Destination | None],
    without_collections: bool = False,
    clients: Mapping[str, Mapping[str, str]] | None = None,
    is_separate: bool = False,
) -> Source | None:
    """The source that `entry` describes; None if it has problems, which are then in `entry`.

    `destinations` has all that are defined, None for those that cannot be used. With `without_collections` the source
    may have no collections; it then has the collection `ALL`. `clients` for OAuth are filled in where it leaves them
    out. `is_separate` if it is not written in the catalogue itself.
    """
    if problem := name_problem(entry.id):
        entry.refuse((), problem)
    if not isinstance(entry.value, dict):
        entry.refuse((), must_be((MAPPING,), entry.value))
        return None
    written = _without_classic_keys(entry, entry.value)
    type_ = "" if entry.is_unresolved(("type",)) else written.get("type") or entry.id
    kind = SOURCES.get(type_) if isinstance(type_, str) else None
    config = None
    if isinstance(type_, str) and type_ in UNMAPPED:
        entry.refuse(("type",), f"'{type_}' of Jitsu Classic is not supported: {UNMAPPED[type_]}")
    elif kind is None:
        entry.refuse_type(written, "source type", SOURCE_TYPES)
    else:
        written["config"] = fill_client(entry, written.get("config"), type_, clients or {})
        config = _read_config(entry, kind.options, written)
        _check_config(entry, config, written)
        warn_of_differences(entry, written, type_, in_yaml=not is_separate)
    _check_destinations(entry, written, destinations)
    needs_collections = kind is not None and not kind.finds_its_collections and not without_collections
    if needs_collections and not written.get("collections") and not misspelling_of("collections", written):
        entry.refuse(("collections",), "needs at least one collection")
    _check_collections(entry, written.get("collections"), type_)
    source = entry.validate(WrittenSource, written)
    if source is None:
        return None
    collections = [each.within(entry.id, source) for each in source.collections or [Collection(name=ALL)]]
    _check_table_names(entry, source, collections, destinations)
    _check_write_modes(entry, source, collections, destinations)
    _check_lookback(entry, source, collections, type_)
    check_columns(entry, source.collections or ())
    if kind is not None and kind.tells_versions:
        _warn_of_late_versions(entry, source, collections, destinations)
    positions = {each.name: index for index, each in enumerate(collections)}
    if not entry.problems:
        collections = check_classic(entry, str(type_), source.config, collections)
    if entry.problems:
        return None
    return Source(
        id=entry.id,
        type=str(type_),
        destinations=tuple(dict.fromkeys(source.destinations)),
        collections={collection.name: collection for collection in collections},
        connector=_connector_of(str(type_), config),
        config=source.config,
        secrets=entry.secrets,
        from_files=entry.from_files,
        names_no_collection=not source.collections,
        pool=source.pool,
        about=About.model_validate(source.model_dump(include={*ABOUT})),
        written=entry.written,
        positions=positions,
    )


def _connector_of(type_: str, config: BaseModel | None) -> Connector:
    kind = SOURCES[type_]
    return Connector(type_, _version_of(kind.library)) if kind.connector is None else kind.connector(config)


@cache
def _version_of(library: str) -> str:
    return f"{library} {version(library)}"


def _without_classic_keys(entry: Entry, value: dict[str, Any]) -> dict[str, Any]:
    written = without_classic_keys(entry, value, SOURCE_KEYS)
    collections = written.get("collections")
    if isinstance(collections, list):
        written["collections"] = [
            without_classic_keys(entry, collection, COLLECTION_KEYS, ("collections", index))
            if isinstance(collection, dict)
            else collection
            for index, collection in enumerate(collections)
        ]
    return written


def _read_config(entry: Entry, options: type[BaseModel], written: dict[str, Any]) -> BaseModel | None:
    """The options in `written`, whose numbers become plain ones or text."""
    given = written.get("config")
    if isinstance(given, dict):
        given = with_constraints(entry, given, options, ("config", "constraints"))
    config = entry.validate(options, given or {}, ("config",))
    written["config"] = with_plain_numbers(given, config)
    if config is not None and written["config"] != given:
        # The library behind the options checks what they pass on, so it must see the text.
        return entry.validate(options, written["config"], ("config",))
    return config


def _check_config(entry: Entry, config: BaseModel | None, written: dict[str, Any]) -> None:
    """What only the whole configuration shows: the complaints of the library behind it, and unknown collections."""
    if not isinstance(config, Options):
        return
    warn_of_booleans(entry, ("config",), config)
    if not entry.holds_unresolved(("config",)):
        for path, why in config.find_problems():
            entry.refuse(("config", *path), why)
    collections = written.get("collections")
    for index, collection in enumerate(collections if isinstance(collections, list) else ()):
        settings = collection if isinstance(collection, dict) else {"name": collection}
        if complaint := config.collection_problem(str(settings.get("type") or settings.get("name"))):
            entry.refuse(("collections", index), complaint)


def _check_destinations(entry: Entry, source: Mapping[str, Any], defined: Mapping[str, Destination | None]) -> None:
    names = source.get("destinations")
    if not names and not misspelling_of("destinations", source):
        known = choose_one("", sorted(defined), none="none is defined")
        entry.refuse(("destinations",), f"needs at least one destination; {known}")
    listed = [(("destinations", index), name) for index, name in enumerate(names)] if isinstance(names, list) else []
    paths: list[tuple[KeyPath, Any]] = [(("destinations",), names)] if isinstance(names, str) else [*listed]
    for path, written in paths if names else ():
        name = str(written)
        if isinstance(written, str | int | float) and name not in defined:
            entry.refuse(path, unknown_name("destination", name, sorted(defined)))
        elif name in defined and defined[name] is None:
            entry.refuse(path, f"destination '{name}' cannot be used: correct destinations.{name}")


def _check_collections(entry: Entry, collections: Any, type_: Any) -> None:
    parameters = SOURCES[type_].parameters if type_ in SOURCE_TYPES else None
    names: set[str] = set()
    for index, collection in enumerate(collections if isinstance(collections, list) else ()):
        settings = collection if isinstance(collection, dict) else {"name": collection}
        name = settings.get("name")
        if name is not None and str(name) in names:
            entry.refuse(("collections", index), f"collection '{name}' already exists; names must be unique")
        names.add(str(name))
        _check_windows(entry, index, settings, type_)
        given = settings.get("parameters")
        read = None
        if parameters:
            read = entry.validate(parameters, {} if given is None else given, ("collections", index, "parameters"))
        if given is not None:
            settings["parameters"] = with_plain_numbers(given, read)


def _check_table_names(
    entry: Entry,
    source: WrittenSource,
    collections: list[Collection],
    defined: Mapping[str, Destination | None],
) -> None:
    used = [found for name in source.destinations if (found := defined.get(name))]
    for index, (written, collection) in enumerate(zip(source.collections or (), collections, strict=False)):
        names = [collection.table_name, *(each.table_name(collection.table_name) for each in used)]
        if problem := next(filter(None, map(reserved_table_problem, names)), None):
            key = ("table_name",) if written.table_name else ()
            entry.refuse(("collections", index, *key), problem)


def _check_write_modes(
    entry: Entry, source: WrittenSource, collections: list[Collection], defined: Mapping[str, Destination | None]
) -> None:
    """As far as the catalogue alone shows; an attempt sees what its source really reads."""
    used = [found for name in source.destinations if (found := defined.get(name))]
    for index, collection in enumerate(collections):
        path: KeyPath = ("collections", index) if source.collections else ()
        incremental = collection.sync_mode == "incremental"
        usual = WriteMode.UPSERT if incremental and collection.primary_key else None
        mode = collection.write_mode or usual
        if mode is WriteMode.REPLACE and incremental:
            entry.refuse(
                path,
                "'sync_mode: incremental' reads only new rows, and 'write_mode: replace' would lose all others: "
                "set 'sync_mode: full_refresh' or another write_mode",
            )
        if collection.interval is not None and (complaint := why_not_in_windows(mode)):
            entry.refuse(path, complaint)
        for destination in used:
            if mode and mode not in (possible := DESTINATIONS[destination.type].write_modes):
                entry.refuse(
                    path,
                    f"destination '{destination.id}' of type {destination.type} does not support write_mode '{mode}'; "
                    f"choose one of {', '.join(possible)}",
                )


def _warn_of_late_versions(
    entry: Entry, source: WrittenSource, collections: list[Collection], defined: Mapping[str, Destination | None]
) -> None:
    modes = {each.write_mode for each in collections if each.sync_mode != "full_refresh"}
    if modes.isdisjoint({None, WriteMode.UPSERT}):
        return
    for name in source.destinations:
        destination = defined.get(name)
        kind = DESTINATIONS[destination.type] if destination else None
        if destination and kind and not kind.compares_versions and WriteMode.UPSERT in kind.write_modes:
            entry.warn(
                ("destinations",),
                f"at destination '{name}' of type {destination.type} a row replaces the one with the same key even if "
                "its cursor is lower; 'postgres' and 'duckdb' keep the newest",
            )


def _check_windows(entry: Entry, index: int, settings: dict[str, Any], type_: Any) -> None:
    if settings.get("interval") is None:
        if settings.get("refresh_window") is not None:
            entry.refuse(("collections", index, "refresh_window"), "has no effect without 'interval'")
        return
    path = ("collections", index, "interval")
    if type_ in SOURCE_TYPES and type_ not in READ_INTERVALS:
        kinds = ", ".join(sorted(READ_INTERVALS))
        entry.refuse(path, f"a source of type '{type_}' cannot be read in intervals; these can: {kinds}")
    parameters = settings.get("parameters")
    type_name = str(settings.get("type") or settings.get("name"))
    if type_ == "sql" and is_several(type_, type_name, parameters if isinstance(parameters, dict) else {}):
        entry.refuse(path, ONE_TABLE)
    if settings.get("sync_mode") == "full_refresh":
        entry.refuse(path, "cannot be combined with 'sync_mode: full_refresh', which replaces the whole table")


def _check_lookback(entry: Entry, source: WrittenSource, collections: list[Collection], type_: Any) -> None:
    """A full refresh needs none: it reads everything, so it may inherit one."""
    if type_ not in SOURCE_TYPES:
        return
    written = source.collections or []
    if source.lookback and type_ not in LOOK_BACK:
        entry.refuse(("lookback",), _no_lookback(type_))
    for index, collection in enumerate(collections):
        own = index < len(written) and "lookback" in written[index].model_fields_set
        path: KeyPath = ("collections", index, "lookback" if own else "interval")
        if not collection.lookback:
            continue
        if own and type_ not in LOOK_BACK:
            entry.refuse(path, _no_lookback(type_))
        elif own and collection.sync_mode == "full_refresh":
            entry.refuse(path, "has no effect with 'sync_mode: full_refresh', which reads everything again")
        elif collection.interval is not None:
            entry.refuse(
                path, "'lookback' and 'interval' cannot be combined: set 'refresh_window' to read windows again"
            )


def _no_lookback(type_: str) -> str:
    kinds = ", ".join(sorted(LOOK_BACK))
    return f"a source of type '{type_}' cannot begin before its bookmark; these can: {kinds}"
