"""The wall clock of a time zone: the periods between the changes of its UTC offset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class OffsetPeriod:
    """A period [start, end) (UTC, naive) in which wall time is UTC + `offset`.

    `previous_offset` was valid just before `start`; it is the same if the period starts with the calendar year.
    """

    start: datetime
    end: datetime
    offset: timedelta
    previous_offset: timedelta

    @property
    def shift(self) -> timedelta:
        """How far clocks were set forward (negative: back) at `start`."""
        return self.offset - self.previous_offset


def offset_periods(zone: tzinfo, moment: datetime, *, years: int) -> Iterator[OffsetPeriod]:
    """The period that contains `moment` (UTC, naive) and those after it, in order, for about `years` years."""
    for year in range(moment.year, min(moment.year + years, MAXYEAR)):
        for period in _periods_of_year(zone, year):
            if moment < period.end:
                yield period


@lru_cache(maxsize=4096)
def _periods_of_year(zone: tzinfo, year: int) -> tuple[OffsetPeriod, ...]:
    start, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)  # noqa: DTZ001 - naive UTC, see OffsetPeriod
    bounds = [start, *_changes(zone, start, end), end]
    return tuple(
        OffsetPeriod(
            start=first,
            end=last,
            offset=_offset_at(zone, first),
            previous_offset=_offset_at(zone, first - _SECOND),
        )
        for first, last in pairwise(bounds)
    )


def _changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Find the instants after `start` at which the offset changes; no zone has ever changed twice within a day.

    `zoneinfo` does not expose its transitions, so this compares consecutive midnights and bisects if they differ.
    """
    midnights = [start + day * _DAY for day in range((end - start).days + 1)]
    for before, after in pairwise(midnights):
        old = _offset_at(zone, before)
        if old == _offset_at(zone, after):
            continue
        unchanged, changed = before, after
        while changed - unchanged > _SECOND:
            middle = unchanged + (changed - unchanged) // _SECOND // 2 * _SECOND
            if _offset_at(zone, middle) == old:
                unchanged = middle
            else:
                changed = middle
        if changed < end:
            yield changed


def _offset_at(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
