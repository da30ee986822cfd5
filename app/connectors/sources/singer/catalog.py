"""What a tap offers, and what is chosen from it (the `catalog` of Singer's discovery mode)."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.json_schema import columns_of, digits_of
from app.connectors.programs.excerpts import join_names
from app.connectors.sources.singer.fields import Fields
from app.domain.collection import ALL
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.contract.schema import Digits, Kind
    from app.connectors.options.selected_streams import SelectedStream
    from app.domain.collection import CollectionJob

_SEPARATORS = re.compile(r"[-./]")
REMEMBERING = {"INCREMENTAL", "LOG_BASED"}
EVERYTHING = Fields()


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen stream and how its rows arrive; `key` is what the catalog says, None if it says nothing.

    `fields` are those that are wanted; the key and the cursor are always read. `columns` are all that the catalog
    describes, and `digits` those of its decimals.
    """

    stream: str
    full_refresh: bool
    for_want_of_key: bool
    cursor_field: str | None
    key: tuple[str, ...] | None
    columns: dict[str, Kind]
    digits: dict[str, Digits]
    fields: Fields = EVERYTHING


class _Entry(msgspec.Struct):
    breadcrumb: list[str] | None = None
    metadata: dict[str, Any] | None = None


class _Stream(msgspec.Struct):
    """Checks the parts of a stream that are used here."""

    metadata: list[_Entry] | None = None
    key_properties: list[str] | str | None = None


def choose(
    catalog: dict[str, Any],
    collection: CollectionJob,
    fields: Fields = EVERYTHING,
    selected: Sequence[SelectedStream] = (),
) -> tuple[dict[str, Any], dict[str, Choice]]:
    """The catalog to give to the tap, and the chosen streams by every name that messages may use.

    `fields` are patterns for those of the collection's stream; of the collection `all`, for `stream.field`. `selected`
    are the streams of the collection `all`, if not all of them.

    Raises:
        ConfigurationError: the catalog lacks the collection or one of its fields, has several like it, or is not valid.
    """
    chosen = copy.deepcopy(catalog)
    streams = streams_of(chosen)
    wanted = {id(stream): settings for stream, settings in _wanted(streams, collection, selected)}
    choices: dict[str, Choice] = {}
    for stream in streams:
        settings = wanted.get(id(stream))
        own = _own_fields(stream, settings, fields) if settings is not None else None
        metadata_of(stream)["selected"] = own is not None
        if settings is not None and own is not None:
            choice = _plan(stream, settings, own)
            choices[id_of(stream)] = choices[_name(stream)] = choice
    if not choices and streams:
        raise ConfigurationError(
            f"'select' matches none of the tap's streams; choose from {join_names(sorted(map(id_of, streams)))}"
        )
    return chosen, choices


def streams_of(catalog: dict[str, Any]) -> list[dict[str, Any]]:
    """Raises `ConfigurationError` for a catalog without streams, or with one that is not valid."""
    streams = catalog.get("streams")
    if not isinstance(streams, list) or not all(isinstance(stream, dict) for stream in streams):
        raise ConfigurationError("the catalog has no list of 'streams'")
    for stream in streams:
        try:
            msgspec.convert(stream, _Stream)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"the catalog is not valid at stream {id_of(stream)!r}: {error}") from None
    return streams


def names_in(catalog: dict[str, Any]) -> set[str]:
    """Every name that messages may use for one of its streams."""
    return {name for stream in streams_of(catalog) for name in (id_of(stream), _name(stream))}


def choose_undiscovered(
    stream: str,
    collection: CollectionJob,
    fields: Fields = EVERYTHING,
    *,
    key: tuple[str, ...] = (),
    replication_key: str | None = None,
) -> Choice | None:
    """The choice for a stream that the catalog lacks: only the collection and its SCHEMA describe it.

    With a key or a replication key its rows are added, as the tap may send only what is new: replacing the table would
    lose the others. That a bookmark names the stream says nothing: Singer's SDK also names streams that it reads whole.
    """
    own = fields.of_stream(stream)
    if own is None:
        return None
    method = "INCREMENTAL" if replication_key else None
    return _choice(
        stream, method=method, replication_key=replication_key, key=key or None, collection=collection, fields=own
    )


def _wanted(
    streams: list[dict[str, Any]], collection: CollectionJob, selected: Sequence[SelectedStream]
) -> list[tuple[dict[str, Any], CollectionJob]]:
    """The streams to read, each with the settings of the collection that hold for it."""
    if collection.type != ALL:
        return [(_find_stream(streams, collection.type), collection)]
    if selected:
        return [(_find_selected(streams, each), _with_settings_of(each, collection)) for each in selected]
    return [(stream, collection) for stream in _all_streams(streams)]


def _find_selected(streams: list[dict[str, Any]], selected: SelectedStream) -> dict[str, Any]:
    """To Jitsu Classic the namespace is the stream's id."""
    if not selected.namespace:
        return _find_stream(streams, selected.name)
    for stream in streams:
        if (id_of(stream), _name(stream)) == (selected.namespace, selected.name):
            return stream
    raise ConfigurationError(
        f"the tap has no stream {selected.name!r} with the tap_stream_id {selected.namespace!r}, which "
        f"'selected_streams' names; choose from {join_names(sorted(map(id_of, streams)))}"
    )


def _with_settings_of(selected: SelectedStream, collection: CollectionJob) -> CollectionJob:
    return msgspec.structs.replace(
        collection,
        sync_mode=collection.sync_mode or selected.sync_mode,
        cursor_field=collection.cursor_field or next(iter(selected.cursor_field), None),
    )


def _all_streams(streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The selected streams, or all supported ones where the catalog selects none."""
    selected = [stream for stream in streams if metadata_of(stream).get("selected") is True]
    return selected or [stream for stream in streams if metadata_of(stream).get("inclusion") != "unsupported"]


def _find_stream(streams: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    tests = (
        lambda stream: id_of(stream) == wanted,
        lambda stream: stream.get("stream") == wanted,
        lambda stream: stream.get("table_name") == wanted or metadata_of(stream).get("table-name") == wanted,
        lambda stream: _SEPARATORS.split(id_of(stream))[-1] == wanted or id_of(stream).endswith(f"-{wanted}"),
    )
    for test in tests:
        found = list(filter(test, streams))
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(
                f"the tap has several streams like {wanted!r}; choose one of {join_names(sorted(map(id_of, found)))}"
            )
    if not streams:
        raise ConfigurationError(f"the tap has no stream {wanted!r}, nor any other")
    raise ConfigurationError(
        f"the tap has no stream {wanted!r}; choose one of {join_names(sorted(map(id_of, streams)))}"
    )


def _own_fields(stream: dict[str, Any], collection: CollectionJob, fields: Fields) -> Fields | None:
    return fields.of_stream(id_of(stream), _name(stream)) if collection.type == ALL else fields


def _plan(stream: dict[str, Any], collection: CollectionJob, fields: Fields) -> Choice:
    metadata = metadata_of(stream)
    for field in stream["metadata"]:
        if field.get("breadcrumb") and (own := field.get("metadata")) is not None:
            own.setdefault("selected", own.get("inclusion") != "unsupported")
    if collection.primary_key:
        metadata["view-key-properties"] = metadata["table-key-properties"] = collection.primary_key
        stream["key_properties"] = collection.primary_key
    choice = _choice(
        id_of(stream),
        method=method_of(stream),
        replication_key=next(iter(cursors_of(stream)), None),
        key=tuple(key_of(stream)) or None,
        collection=collection,
        fields=fields,
        schema=schema_of(stream),
    )
    if fields:
        _select(stream, choice)
    if choice.full_refresh:
        metadata["replication-method"] = stream["replication_method"] = "FULL_TABLE"
    elif choice.cursor_field:
        metadata.setdefault("replication-method", "INCREMENTAL")
        if metadata["replication-method"] == "FULL_TABLE":
            metadata["replication-method"] = "INCREMENTAL"
        metadata["replication-key"] = stream["replication_key"] = choice.cursor_field
        stream["replication_method"] = metadata["replication-method"]
    return choice


def _select(stream: dict[str, Any], choice: Choice) -> None:
    """Selects the wanted fields, and those that reading the stream needs."""
    entries = {tuple(entry.get("breadcrumb") or ()): entry for entry in stream["metadata"]}
    described = schema_of(stream).get("properties")
    known = {name for part, *names in filter(None, entries) if part == "properties" for name in names[:1]}
    known |= described.keys() if isinstance(described, dict) else set()
    if known and (missing := choice.fields.missing(known)):
        raise ConfigurationError(
            f"'select' names {', '.join(map(repr, missing))}, which stream {choice.stream!r} does not have; "
            f"choose from {join_names(sorted(known))}"
        )
    needed = {*(choice.key or ()), choice.cursor_field}
    for name in known:
        if (breadcrumb := ("properties", name)) not in entries:
            stream["metadata"].append(entry := {"breadcrumb": list(breadcrumb), "metadata": {}})
            entries[breadcrumb] = entry
        metadata = _metadata(entries[breadcrumb])
        inclusion = metadata.get("inclusion")
        taken = name in needed or inclusion == "automatic" or choice.fields.takes(name)
        metadata["selected"] = taken and inclusion != "unsupported"


def _choice(
    stream: str,
    *,
    method: str | None,
    replication_key: str | None,
    key: tuple[str, ...] | None,
    collection: CollectionJob,
    fields: Fields,
    schema: Any = None,
) -> Choice:
    """Where nothing says how to read the stream, only rows with a key can be loaded without duplicates."""
    is_asked_for = bool(collection.sync_mode) or method == "FULL_TABLE"
    remembers = method in REMEMBERING or (method != "FULL_TABLE" and bool(key or collection.primary_key))
    mode = collection.sync_mode or ("incremental" if collection.cursor_field or remembers else "full_refresh")
    return Choice(
        stream=stream,
        full_refresh=mode == "full_refresh",
        for_want_of_key=mode == "full_refresh" and not is_asked_for,
        cursor_field=collection.cursor_field or replication_key or None,
        key=key,
        fields=fields,
        columns=columns_of(schema),
        digits=digits_of(schema),
    )


def metadata_of(stream: dict[str, Any]) -> dict[str, Any]:
    if stream.get("metadata") is None:
        stream["metadata"] = []
    for entry in stream["metadata"]:
        if not entry.get("breadcrumb"):
            return _metadata(entry)
    stream["metadata"].append(entry := {"breadcrumb": []})
    return _metadata(entry)


def _metadata(entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("metadata") is None:
        entry["metadata"] = {}
    metadata: dict[str, Any] = entry["metadata"]
    return metadata


def key_of(stream: dict[str, Any]) -> list[str]:
    return _names(stream.get("key_properties") or metadata_of(stream).get("table-key-properties"))


def cursors_of(stream: dict[str, Any]) -> list[str]:
    """The fields that the tap can continue from, its own choice first."""
    metadata = metadata_of(stream)
    taken = _names(metadata.get("replication-key") or stream.get("replication_key"))
    return list(dict.fromkeys([*taken, *_names(metadata.get("valid-replication-keys"))]))


def method_of(stream: dict[str, Any]) -> str | None:
    """How the tap reads the stream; None where it leaves that open."""
    metadata = metadata_of(stream)
    method = metadata.get("forced-replication-method") or metadata.get("replication-method")
    method = method or stream.get("replication_method")
    return method if isinstance(method, str) else None


def schema_of(stream: dict[str, Any]) -> dict[str, Any]:
    schema = stream.get("schema")
    return schema if isinstance(schema, dict) else {}


def id_of(stream: dict[str, Any]) -> str:
    return str(stream.get("tap_stream_id") or stream.get("stream") or "")


def _names(value: Any) -> list[str]:
    """Taps write one name or a list of them."""
    names = [value] if isinstance(value, str) else value
    return [each for each in names if isinstance(each, str)] if isinstance(names, list) else []


def _name(stream: dict[str, Any]) -> str:
    return str(stream.get("stream") or id_of(stream))
