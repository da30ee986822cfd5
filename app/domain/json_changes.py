"""What is different between two JSON documents, key by key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT: Final = object()
"""Stands for a key that is not there; null is a value."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class JsonChange:
    """A value at a path such as `orders.since[0]`: one that was added, removed (`ABSENT` on one side) or changed.

    The path of the whole document is empty. Keys with other characters than letters, digits, `_` and `-` are in quotes.
    """

    path: str
    before: Any
    now: Any


def json_changes(before: Any, now: Any, path: str = "") -> Iterator[JsonChange]:
    """Yield what is different; keys that were there come first, in their order."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from json_changes(before.get(key, ABSENT), now.get(key, ABSENT), _join(path, key))
    elif isinstance(before, list) and isinstance(now, list):
        for number in range(max(len(before), len(now))):
            old, new = (each[number] if number < len(each) else ABSENT for each in (before, now))
            yield from json_changes(old, new, f"{path}[{number}]")
    elif not _equal(before, now):
        yield JsonChange(path, before, now)


def _join(path: str, key: str) -> str:
    name = key if _PLAIN.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{name}" if path else name


def _equal(one: Any, other: Any) -> bool:
    # To Python, true is 1.
    return isinstance(one, bool) == isinstance(other, bool) and one == other
