"""A time interval that a backfill loads, in UTC: the start is included, the end is not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[start, end)`; both are aware times in UTC."""

    start: dt.datetime
    end: dt.datetime

    def __str__(self) -> str:
        """Format as ISO 8601: `2024-01-01T00:00:00Z/2024-02-01T00:00:00Z`, as `parse` reads it."""
        return f"{format_moment(self.start)}/{format_moment(self.end)}"

    @classmethod
    def between(cls, start: dt.datetime, end: dt.datetime) -> Interval:
        """Make an interval. Raises `ConfigurationError` unless `end` is after `start`."""
        made = cls(start.astimezone(dt.UTC), end.astimezone(dt.UTC))
        if made.start >= made.end:
            first, last = format_moment(made.start), format_moment(made.end)
            raise ConfigurationError(f"the end ({last}) must be after the start ({first})")
        return made

    def pieces(self, length: dt.timedelta) -> Iterator[Interval]:
        """Split into pieces of `length` (greater than zero), oldest first; the last one may be shorter."""
        start = self.start
        while start < self.end:
            end = self.end if self.end - start <= length else start + length
            yield Interval(start, end)
            start = end

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Parse what `__str__` has formatted. Raises `ValueError` for anything else."""
        start, _, end = text.partition("/")
        return cls(dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end))


def format_moment(moment: dt.datetime) -> str:
    """Format the start or end of an interval: ISO 8601, UTC as `Z`."""
    return moment.isoformat().replace("+00:00", "Z")
