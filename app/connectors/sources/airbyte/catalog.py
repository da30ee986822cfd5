"""What a connector offers, and what is chosen from it (the configured catalog of the Airbyte protocol)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.connectors.contract.json_schema import columns_of, digits_of, nested_of
from app.connectors.programs.excerpts import join_names
from app.connectors.sources.airbyte.messages import Descriptor
from app.domain.collection import ALL
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from app.connectors.contract.schema import Digits, Kind
    from app.connectors.options.selected_streams import SelectedStream
    from app.domain.collection import CollectionJob


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen stream and how its rows arrive. `cursor_field` and `key` are columns; both may be missing.

    `newest_by` is the path to the cursor, if it decides which of several rows with the same key is the newest.
    """

    descriptor: Descriptor
    columns: dict[str, Kind]
    full_refresh: bool
    cursor_field: str | None
    key: tuple[str, ...]
    newest_by: tuple[str, ...] = ()
    digits: dict[str, Digits] = field(default_factory=dict)
    nested: dict[tuple[str, ...], Kind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A stream of the catalog, and how a configured catalog says to read it."""

    stream: dict[str, Any]
    descriptor: Descriptor
    configured: dict[str, Any]


def choose(
    catalog: dict[str, Any], collection: CollectionJob, selected: Sequence[SelectedStream] = ()
) -> tuple[dict[str, Any], dict[Descriptor, Choice]]:
    """The configured catalog to give to the connector, and the chosen streams.

    Raises:
        ConfigurationError: the catalog lacks the collection, or cannot read it as the collection says.
    """
    offers = offers_of(catalog)
    if collection.type != ALL:
        wanted = [_find_offer(offers, collection.type)]
    elif selected:
        wanted = [_select(offers, each) for each in selected]
    else:
        wanted = offers
    planned = [_plan(offer, collection) for offer in wanted]
    return {"streams": [stream for stream, _ in planned]}, {choice.descriptor: choice for _, choice in planned}


def find_choice(choices: dict[Descriptor, Choice], descriptor: Descriptor) -> Choice | None:
    """The choice for a message with `descriptor`: some connectors leave out the namespace in messages."""
    if found := choices.get(descriptor):
        return found
    named = [choice for known, choice in choices.items() if known.name == descriptor.name]
    return named[0] if len(named) == 1 and None in (named[0].descriptor.namespace, descriptor.namespace) else None


def is_unwanted(offers: Iterable[Descriptor], choices: Container[Descriptor], descriptor: Descriptor) -> bool:
    """Whether a message for none of the choices is for another stream of the catalog."""
    alike = [
        each
        for each in offers
        if each == descriptor or (each.name == descriptor.name and None in (each.namespace, descriptor.namespace))
    ]
    return bool(alike) and not any(each in choices for each in alike)


def offers_of(catalog: dict[str, Any]) -> list[Offer]:
    """The streams of a catalog as a connector discovers it, or as Airbyte configures it."""
    streams = catalog.get("streams")
    if not isinstance(streams, list) or not all(isinstance(stream, dict) for stream in streams):
        raise ConfigurationError("the catalog has no list of 'streams'")
    offers = []
    for entry in streams:
        stream = entry.get("stream", entry)
        if not isinstance(stream, dict) or not isinstance(stream.get("name"), str):
            raise ConfigurationError("the catalog has a stream without a name")
        namespace = stream.get("namespace")
        descriptor = Descriptor(stream["name"], None if namespace is None else str(namespace))
        offers.append(Offer(stream, descriptor, {} if stream is entry else entry))
    return offers


def _find_offer(offers: list[Offer], wanted: str) -> Offer:
    for matches in (
        lambda offer: str(offer.descriptor) == wanted,
        lambda offer: offer.descriptor.name == wanted,
    ):
        found = list(filter(matches, offers))
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(
                f"the connector has several streams {wanted!r}; choose one of {_join_names(found)}"
            )
    if not offers:
        raise ConfigurationError(f"the connector has no stream {wanted!r}, nor any other")
    raise ConfigurationError(f"the connector has no stream {wanted!r}; choose one of {_join_names(offers)}")


def _select(offers: list[Offer], selected: SelectedStream) -> Offer:
    name = selected.name if not selected.namespace else f"{selected.namespace}.{selected.name}"
    offer = _find_offer(offers, name)
    choice: dict[str, Any] = {"sync_mode": selected.sync_mode, "cursor_field": list(selected.cursor_field)}
    configured = offer.configured | {key: value for key, value in choice.items() if value}
    return Offer(offer.stream, offer.descriptor, configured)


def _plan(offer: Offer, collection: CollectionJob) -> tuple[dict[str, Any], Choice]:
    """The stream's entry in the configured catalog, and how its rows arrive."""
    columns = columns_of(offer.stream.get("json_schema"))
    cursor = _cursor(offer, collection, columns)
    full_refresh = _sync_mode(offer, collection, cursor) == "full_refresh"
    key = _key(offer, collection)
    columns_of_key = tuple(path[0] for path in key) if all(len(path) == 1 for path in key) else ()
    configured: dict[str, Any] = {
        "stream": offer.stream,
        "sync_mode": "full_refresh" if full_refresh else "incremental",
        "destination_sync_mode": "overwrite" if full_refresh else "append_dedup" if key else "append",
    }
    if cursor:
        configured["cursor_field"] = cursor
    if key:
        configured["primary_key"] = key
    return configured, Choice(
        descriptor=offer.descriptor,
        columns=columns,
        full_refresh=full_refresh,
        # A value inside an object is not a column, so it cannot identify rows.
        cursor_field=cursor[0] if len(cursor) == 1 and cursor[0] in columns else None,
        key=columns_of_key,
        newest_by=tuple(cursor) if columns_of_key and not full_refresh else (),
        digits=digits_of(offer.stream.get("json_schema")),
        nested=nested_of(offer.stream.get("json_schema")),
    )


def _cursor(offer: Offer, collection: CollectionJob, columns: dict[str, Kind]) -> list[str]:
    """The path to the cursor, which may be inside an object; empty if unknown."""
    if (field := collection.cursor_field) is not None:
        return [field] if field in columns else field.split(".")
    return path_of(offer.configured.get("cursor_field") or offer.stream.get("default_cursor_field"))


def _sync_mode(offer: Offer, collection: CollectionJob, cursor: list[str]) -> str:
    supported = path_of(offer.stream.get("supported_sync_modes")) or ["full_refresh"]
    own_cursor = bool(offer.stream.get("source_defined_cursor"))
    # Whoever names a cursor wants it used.
    wanted = collection.sync_mode or ("incremental" if collection.cursor_field else offer.configured.get("sync_mode"))
    if wanted is None:
        return "incremental" if "incremental" in supported and (own_cursor or cursor) else str(supported[0])
    if wanted not in supported:
        raise ConfigurationError(
            f"stream {str(offer.descriptor)!r} does not support sync_mode {wanted!r}; "
            f"choose one of {', '.join(map(repr, supported))}"
        )
    if wanted == "incremental" and not (own_cursor or cursor):
        raise ConfigurationError(f"stream {str(offer.descriptor)!r} needs a 'cursor_field' for sync_mode 'incremental'")
    return str(wanted)


def _key(offer: Offer, collection: CollectionJob) -> list[list[str]]:
    if collection.primary_key:
        return [[column] for column in collection.primary_key]
    return paths_of(offer.configured.get("primary_key") or offer.stream.get("source_defined_primary_key"))


def paths_of(value: Any) -> list[list[str]]:
    """The parts of a key, each as `path_of` has it."""
    return [path_of(path) for path in value] if isinstance(value, list) else []


def path_of(value: Any) -> list[str]:
    """The path to a value in a record; empty if there is none."""
    if isinstance(value, str):
        return [value]
    return [str(part) for part in value] if isinstance(value, list) else []


def _join_names(offers: list[Offer]) -> str:
    return join_names(sorted(str(offer.descriptor) for offer in offers))
