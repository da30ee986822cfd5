"""The rows that every source of a scenario has, before and after somebody has worked on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, order=True)
class Row:
    """`seq` grows with every change, as an `updated_at` does."""

    id: int
    seq: int
    text: str


def made(count: int) -> list[Row]:
    """As a source makes them that cannot change a row."""
    return [Row(number, number, f"row {number}") for number in range(count)]


FIRST: Final = made(20)
# Five new rows and two that have changed, in the order of their changes.
_CHANGED: Final = {3: 25, 7: 26}
SECOND: Final = sorted(
    (
        replace(row, seq=_CHANGED[row.id], text=f"row {row.id}, changed") if row.id in _CHANGED else row
        for row in made(25)
    ),
    key=lambda row: row.seq,
)
