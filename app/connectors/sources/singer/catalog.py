"""What a tap offers, and the choice among it (the `catalog` of Singer's discovery mode)."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.domain.attempt_protocol import CollectionJob

ALL = "all"
_SHOWN_STREAMS = 20
_SEPARATORS = re.compile(r"[-./]")
_REMEMBERING = {"INCREMENTAL", "LOG_BASED"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen stream and how its rows arrive; `key` is what the catalog says, None if it says nothing."""

    stream: str
    full_refresh: bool
    cursor_field: str | None
    key: tuple[str, ...] | None


def choose(catalog: dict[str, Any], collection: CollectionJob) -> tuple[dict[str, Any], dict[str, Choice]]:
    """The catalog to give to the tap, and the chosen streams by every name that messages may use.

    Raises:
        ConfigurationError: the catalog does not have the collection, or has several like it.
    """
    chosen = copy.deepcopy(catalog)
    streams = chosen.get("streams")
    if not isinstance(streams, list) or not all(isinstance(stream, dict) for stream in streams):
        raise ConfigurationError("'catalog' has no list of 'streams'")
    wanted = _every(streams) if collection.type == ALL else [_matching(streams, collection.type)]
    choices: dict[str, Choice] = {}
    for stream in streams:
        selected = any(stream is each for each in wanted)
        _metadata(stream)["selected"] = selected
        if selected:
            choice = _planned(stream, collection)
            choices[_id(stream)] = choices[str(stream.get("stream") or _id(stream))] = choice
    return chosen, choices


def unannounced(stream: str, collection: CollectionJob) -> Choice:
    """A stream that the catalog does not have; nothing is known about it but what the collection says."""
    return _choice(stream, method=None, replication_key=None, key=None, collection=collection)


def _every(streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A catalog in which somebody has selected streams is taken at its word."""
    selected = [stream for stream in streams if _metadata(stream).get("selected") is True]
    return selected or [stream for stream in streams if _metadata(stream).get("inclusion") != "unsupported"]


def _matching(streams: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    tests = (
        lambda stream: _id(stream) == wanted,
        lambda stream: stream.get("stream") == wanted,
        lambda stream: stream.get("table_name") == wanted or _metadata(stream).get("table-name") == wanted,
        lambda stream: _SEPARATORS.split(_id(stream))[-1] == wanted or _id(stream).endswith(f"-{wanted}"),
    )
    for test in tests:
        found = list(filter(test, streams))
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(f"the tap has several streams like {wanted!r}: {_names(found)}")
    raise ConfigurationError(f"the tap has no stream {wanted!r}, valid are: {_names(streams)}")


def _planned(stream: dict[str, Any], collection: CollectionJob) -> Choice:
    metadata = _metadata(stream)
    for field in stream.get("metadata", []):
        if field.get("breadcrumb") and isinstance(field.get("metadata"), dict):
            unsupported = field["metadata"].get("inclusion") == "unsupported"
            field["metadata"].setdefault("selected", not unsupported)
    if collection.primary_key:
        metadata["view-key-properties"] = metadata["table-key-properties"] = collection.primary_key
        stream["key_properties"] = collection.primary_key
    key = collection.primary_key or stream.get("key_properties") or metadata.get("table-key-properties")
    choice = _choice(
        _id(stream),
        method=metadata.get("forced-replication-method")
        or metadata.get("replication-method")
        or stream.get("replication_method"),
        replication_key=metadata.get("replication-key")
        or stream.get("replication_key")
        or next(iter(metadata.get("valid-replication-keys") or []), None),
        key=tuple(key) if key else None,
        collection=collection,
    )
    if choice.full_refresh:
        metadata["replication-method"] = stream["replication_method"] = "FULL_TABLE"
    elif choice.cursor_field:
        metadata.setdefault("replication-method", "INCREMENTAL")
        if metadata["replication-method"] == "FULL_TABLE":
            metadata["replication-method"] = "INCREMENTAL"
        metadata["replication-key"] = stream["replication_key"] = choice.cursor_field
        stream["replication_method"] = metadata["replication-method"]
    return choice


def _choice(
    stream: str, *, method: Any, replication_key: Any, key: tuple[str, ...] | None, collection: CollectionJob
) -> Choice:
    """Without a word on how the stream is read, only rows with a key can be loaded without doubling any."""
    remembers = method in _REMEMBERING or (method != "FULL_TABLE" and bool(key or collection.primary_key))
    mode = collection.sync_mode or ("incremental" if collection.cursor_field or remembers else "full_refresh")
    cursor_field = collection.cursor_field or (str(replication_key) if replication_key else None)
    return Choice(stream=stream, full_refresh=mode == "full_refresh", cursor_field=cursor_field, key=key)


def _metadata(stream: dict[str, Any]) -> dict[str, Any]:
    entries = stream.setdefault("metadata", [])
    for entry in entries:
        if not entry.get("breadcrumb"):
            metadata: dict[str, Any] = entry.setdefault("metadata", {})
            return metadata
    entries.append({"breadcrumb": [], "metadata": {}})
    own: dict[str, Any] = entries[-1]["metadata"]
    return own


def _id(stream: dict[str, Any]) -> str:
    return str(stream.get("tap_stream_id") or stream.get("stream") or "")


def _names(streams: list[dict[str, Any]]) -> str:
    names = sorted(map(_id, streams))
    more = f" and {len(names) - _SHOWN_STREAMS} more" if len(names) > _SHOWN_STREAMS else ""
    return (", ".join(names[:_SHOWN_STREAMS]) or "none") + more
