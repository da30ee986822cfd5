"""Names of columns that look the same: é is one character or two, and spaces at an end are not seen."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# Characters without width: https://www.unicode.org/reports/tr44/#General_Category_Values.
_INVISIBLE: Final = frozenset({"Cf", "Cc"})


def lookalikes(names: Iterable[str]) -> list[list[str]]:
    """The names that look like others, in groups."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[_seen(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _seen(name: str) -> str:
    visible = "".join(each for each in name if unicodedata.category(each) not in _INVISIBLE or each.isspace())
    return " ".join(unicodedata.normalize("NFC", visible).split())
