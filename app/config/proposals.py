"""What a source offers, as YAML to paste into a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.yaml_scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.attempt_protocol import Offered

HEAD: Final = "    collections:"
"""The key of a source, indented as in a catalogue; the entries of `collection_yaml` are below it."""
_INDENT: Final = "      "


def collections_yaml(offered: Iterable[Offered]) -> list[str]:
    """The lines of the key `collections` with an entry for each."""
    return [HEAD, *(line for each in offered for line in collection_yaml(each))]


def collection_yaml(offer: Offered) -> Iterator[str]:
    """The lines of an entry; what the user has to decide is a comment."""
    name = _collection_name(offer.name)
    entry: dict[str, Any] = {"name": name} | ({} if name == offer.name else {"type": offer.name})
    entry |= {"primary_key": offer.key} if offer.key else {}
    for number, (key, value) in enumerate(entry.items()):
        yield f"{_INDENT}{'- ' if number == 0 else '  '}{key}: {scalar(value)}"
    for number, field in enumerate(offer.cursor_fields):
        yield f"{_INDENT}  # {'cursor_field' if number == 0 else 'or'}: {scalar(field)}"


def _collection_name(name: str) -> str:
    """A name that is valid in ids and URLs, and has one part."""
    return "".join("_" if one in "./" or not one.isprintable() else one for one in name).strip()
