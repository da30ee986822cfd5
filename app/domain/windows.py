"""Time windows: consecutive intervals of one length, in UTC, from a first day to now."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from app.domain.interval import Interval, format_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

Length: TypeAlias = Literal["hour", "day", "week", "month", "quarter", "year", "all"]

_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)
_WHENEVER = "1970-01-01T00:00:00Z"
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Windows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows of `length`, from the one that contains the day `start` to the one that contains `now`.

    Weeks begin on Monday. With the length `all` there is one window, from `start` to the end of the day of `now`. A
    window may change until it ends, and for `refresh_seconds` after its start.
    """

    length: Length
    start: dt.date
    now: dt.datetime
    refresh_seconds: float = 0

    def all(self) -> Iterator[Interval]:
        """All windows, oldest first; none if `start` is after `now`."""
        begin = dt.datetime.combine(self.start, dt.time(), dt.UTC)
        begin = begin if self.length == "all" else window_begin(self.length, begin)
        while begin <= self.now:
            end = window_begin("day", self.now) + _DAY if self.length == "all" else window_end(self.length, begin)
            yield Interval(begin, end)
            begin = end

    def mark(self, window: Interval) -> str:
        """The key of a window: its start, or a constant for the length `all`, whose start may change."""
        return _WHENEVER if self.length == "all" else format_moment(window.start)

    def may_change(self, window: Interval) -> bool:
        """Whether a window that is loaded now must be loaded again later."""
        return window.end > self.now or window.start > self.now - dt.timedelta(seconds=self.refresh_seconds)


def window_begin(length: Length, moment: dt.datetime) -> dt.datetime:
    """The start of the window that contains `moment` (in UTC); not for the length `all`."""
    if length == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if length == "day":
        return day
    if length == "week":
        return day - day.weekday() * _DAY
    months = _MONTHS[length]
    return day.replace(month=1 + (day.month - 1) // months * months, day=1)


def window_end(length: Length, begin: dt.datetime) -> dt.datetime:
    """The end of the window that starts at `begin`; not for the length `all`."""
    if length == "hour":
        return begin + _HOUR
    if length == "day":
        return begin + _DAY
    if length == "week":
        return begin + 7 * _DAY
    months = begin.month - 1 + _MONTHS[length]
    return begin.replace(year=begin.year + months // 12, month=1 + months % 12)
