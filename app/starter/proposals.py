"""Which of all that a source offers becomes a collection, and with which keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from app.config.pasting import collection_keys
from app.domain.collection import ALL, Collection
from app.domain.patterns import is_pattern, matches_any
from app.starter.names import distinct_names, has_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.domain.attempt_protocol import Offered

MANY: Final = 100
"""If there are more names than this, people are asked which ones they want."""

_USUAL_KEYS: Final = ("id", "uuid", "key")


@dataclass(frozen=True, slots=True)
class Proposal:
    """The keys of a collection; `comments` are keys that the user has to decide about."""

    entry: Mapping[str, Any]
    comments: Sequence[tuple[str, Any]] = ()


def chosen(offered: Iterable[Offered], only: Sequence[str]) -> list[Offered]:
    """Those whose names match one of the patterns; without patterns, all."""
    return [each for each in offered if not only or matches_any(each.name, only)]


def of_tables(offered: Sequence[Offered]) -> list[Proposal]:
    """A collection for each table or stream. What is likely, but not known, is a comment."""
    names = distinct_names([each.name for each in offered], otherwise="table")
    return [Proposal(*collection_keys(each, name)) for name, each in zip(names, offered, strict=True)]


def of_files(collections: Iterable[Mapping[str, Any]], offered: Mapping[str, Offered]) -> list[Proposal]:
    """A collection for each group of files that could be read; `offered` are the columns of each by its name."""
    return [
        Proposal(
            {"name": each["name"], "sync_mode": "full_refresh", "parameters": each["parameters"]},
            tuple(("primary_key", column) for column in _keys_of(offered[each["name"]]))[:1],
        )
        for each in collections
        if each["name"] in offered
    ]


def can_be_named(offered: Offered) -> bool:
    """Whether a catalogue can name it alone: not if the name is a pattern, or has characters that cannot be seen."""
    if offered.name == ALL or is_pattern(offered.name) or any(map(has_placeholder, (offered.name, *offered.key))):
        return False
    given = {"name": "any", "type": offered.name} | ({"primary_key": offered.key} if offered.key else {})
    try:
        Collection.model_validate(given)
    except ValidationError:
        return False
    return True


def _keys_of(offered: Offered) -> list[str]:
    return [name for name in offered.columns if name.casefold() in _USUAL_KEYS]
