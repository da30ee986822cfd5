"""An interval of time as a backfill loads it: from its start to just before its end, in UTC."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[start, end)`; both are aware and in UTC."""

    start: dt.datetime
    end: dt.datetime

    def __str__(self) -> str:
        """As ISO 8601 writes an interval: `2024-01-01T00:00:00Z/2024-02-01T00:00:00Z`; `parse` reads it again."""
        return f"{format_moment(self.start)}/{format_moment(self.end)}"

    @classmethod
    def between(cls, start: dt.datetime, end: dt.datetime) -> Interval:
        """Raises `ConfigurationError` unless `end` is after `start`."""
        made = cls(start.astimezone(dt.UTC), end.astimezone(dt.UTC))
        if made.start >= made.end:
            first, last = format_moment(made.start), format_moment(made.end)
            raise ConfigurationError(f"the end ({last}) must be after the start ({first})")
        return made

    def pieces(self, length: dt.timedelta) -> Iterator[Interval]:
        """The interval in pieces of `length` (greater than zero), the oldest first; the last one may be shorter."""
        start = self.start
        while start < self.end:
            end = self.end if self.end - start <= length else start + length
            yield Interval(start, end)
            start = end

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Raises `ValueError` for what `__str__` never writes."""
        start, _, end = text.partition("/")
        return cls(dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end))


def format_moment(moment: dt.datetime) -> str:
    """A moment of an interval as bookmarks, tables and people see it: ISO 8601, UTC as `Z`."""
    return moment.isoformat().replace("+00:00", "Z")
