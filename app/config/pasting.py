"""What a source offers, as YAML to paste into a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.yaml_scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.domain.attempt_protocol import Offered

HEAD: Final = "    collections:"
"""The key of a source, indented as in a catalogue; the entries of `collection_yaml` are below it."""
_INDENT: Final = "      "


def collections_yaml(offered: Iterable[Offered]) -> list[str]:
    """The lines of the key `collections` with an entry for each."""
    return [HEAD, *(line for each in offered for line in collection_yaml(each))]


def collection_yaml(offer: Offered) -> Iterator[str]:
    """The lines of an entry; what the user has to decide is a comment."""
    return entry_yaml(*collection_keys(offer, collection_name(offer.name)))


def collection_keys(offer: Offered, name: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """The keys of a collection of this name, and those that the user has to decide about."""
    entry: dict[str, Any] = {"name": name} | ({} if name == offer.name else {"type": offer.name})
    entry |= {"primary_key": offer.key} if offer.key else {}
    return entry, [("cursor_field" if number == 0 else "or", field) for number, field in enumerate(offer.cursor_fields)]


def entry_yaml(entry: Mapping[str, Any], comments: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """The lines of an entry with these keys; others are comments."""
    for number, (key, value) in enumerate(entry.items()):
        yield f"{_INDENT}{'- ' if number == 0 else '  '}{key}: {scalar(value)}"
    for key, value in comments:
        yield f"{_INDENT}  # {key}: {scalar(value)}"


def collection_name(name: str) -> str:
    """A name that is valid in ids and URLs, and has one part."""
    return "".join("_" if one in "./" or not one.isprintable() else one for one in name).strip()
