"""Names for what was found, as a catalogue can have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.config.pasting import collection_name
from app.domain.naming import snake_case

if TYPE_CHECKING:
    from collections.abc import Iterable

DESTINATION: Final = "warehouse"
_LONGEST: Final = 40
_PLACEHOLDERS: Final = ("${env.", "${file./")


def source_name(text: str) -> str:
    """An id for a source that needs no quotes anywhere.

    It is not that of the destination, whose variables would have the same names.
    """
    name = snake_case(text)[:_LONGEST] or "source"
    return f"{name}_source" if name == DESTINATION else name


def distinct_names(names: Iterable[str], *, otherwise: str) -> list[str]:
    """Names of collections: valid in ids and URLs, with one part, and different for a database that folds case too."""
    taken = set[str]()
    found: list[str] = []
    for name in names:
        number, usual = 1, collection_name(name) or otherwise
        other = usual
        while other.casefold() in taken:
            number += 1
            other = f"{usual}_{number}"
        taken.add(other.casefold())
        found.append(other)
    return found


def has_placeholder(text: str) -> bool:
    """Whether a catalogue would replace some of it."""
    return any(each in text for each in _PLACEHOLDERS)
