"""Cron expressions of all kinds, with the values that their fields stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Field:
    text: str
    values: frozenset[int]

    @property
    def star(self) -> bool:
        return self.text[0] in "*?"


@dataclass(frozen=True)
class Expression:
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        return " ".join(field.text for field in (self.minute, self.hour, self.day, self.month, self.weekday))

    @property
    def wild(self) -> bool:
        return self.minute.star or self.hour.star

    def matches(self, wall: datetime) -> bool:
        day = wall.day in self.day.values
        weekday = bool({wall.isoweekday(), wall.isoweekday() % 7} & self.weekday.values)
        both = self.day.star or self.weekday.star
        return (
            wall.minute in self.minute.values
            and wall.hour in self.hour.values
            and wall.month in self.month.values
            and (day and weekday if both else day or weekday)
        )


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, highest_drawn: int) -> Field:
    values = st.integers(low, highest_drawn)
    texts, covered = [], set[int]()
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["star", "value", "range", "open"]))
        step = draw(st.integers(1, high))
        first, last = sorted((draw(values), draw(values)))
        if kind == "star":
            texts.append(f"*/{step}")
            covered.update(range(low, high + 1, step))
        elif kind == "value":
            texts.append(str(first))
            covered.add(first)
        elif kind == "range":
            texts.append(f"{first}-{last}/{step}")
            covered.update(range(first, last + 1, step))
        else:
            texts.append(f"{first}/{step}")
            covered.update(range(first, high + 1, step))
    return Field(",".join(texts), frozenset(covered))


def star(low: int, high: int) -> st.SearchStrategy[Field]:
    return st.sampled_from(["*", "?"]).map(lambda text: Field(text, frozenset(range(low, high + 1))))


MINUTES = star(0, 59) | fields(0, 59, 59)
HOURS = star(0, 23) | fields(0, 23, 23) | fields(0, 23, 3)
WEEKDAYS = star(0, 7) | fields(0, 7, 7)
EXPRESSIONS = st.builds(
    Expression,
    minute=MINUTES,
    hour=HOURS,
    day=star(1, 31) | fields(1, 31, 28),
    month=star(1, 12) | fields(1, 12, 12),
    weekday=WEEKDAYS,
)
