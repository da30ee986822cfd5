"""Cron expressions with five fields, and the calendar arithmetic that finds the next matching minute.

The dialect is that of Debian's cron (crontab(5), Vixie cron): names in any case, lists, ranges, steps, 7 as Sunday. A
match of the day of month or the day of week is enough, unless one of them starts with a star; then both must match. In
addition, `?` means `*`, `5/15` means "from 5 in steps of 15", and ranges may end on Sunday (`FRI-SUN`). Fields for
seconds or years and the signs `L`, `W` and `#` of other crons are refused.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.errors import ConfigurationError

_ITEM = re.compile(
    r"(?:(?P<any>[*?])|(?P<first>[0-9]{1,9}|[a-z]+)(?:-(?P<last>[0-9]{1,9}|[a-z]+))?)(?:/(?P<step>[0-9]{1,9}))?",
    re.IGNORECASE | re.ASCII,
)
_FOREIGN_SIGN = re.compile(r"#|[LW]$", re.IGNORECASE)
_EVERY_WEEK_OF_A_MONTH = sum(1 << 7 * week for week in range(6))
_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def valid(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"))
_WEEKDAY = _Field("day of week", 0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@dataclass(frozen=True, slots=True)
class Cron:
    """The minutes that an expression matches, as bit sets: bit n stands for the value n (weekdays: 0 is Sunday).

    `either_day`: a match of the day of month or of the day of week is enough. `fixed_time`: neither minute nor hour
    starts with a star, which decides what happens when clocks change.
    """

    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    either_day: bool
    fixed_time: bool

    def first_match(self, earliest: datetime, *, before: datetime) -> datetime | None:
        """The first matching minute in [earliest, before); wall times without a time zone."""
        minute = earliest.replace(second=0, microsecond=0)
        if minute < earliest:
            minute += timedelta(minutes=1)
        found = self._match_on_day_of(minute) or self._match_on_day_after(minute, before=before)
        return found if found is not None and found < before else None

    def _match_on_day_of(self, minute: datetime) -> datetime | None:
        if not self._days_of(minute.year, minute.month) >> minute.day & 1:
            return None
        if self.hours >> minute.hour & 1 and (value := _next_bit(self.minutes, minute.minute)) is not None:
            return minute.replace(minute=value)
        if (hour := _next_bit(self.hours, minute.hour + 1)) is not None:
            return minute.replace(hour=hour, minute=_lowest_bit(self.minutes))
        return None

    def _match_on_day_after(self, minute: datetime, *, before: datetime) -> datetime | None:
        year, month, day = minute.year, minute.month, minute.day
        while (year, month) <= (before.year, before.month):
            if (found := _next_bit(self._days_of(year, month), day + 1)) is not None:
                hour, first_minute = _lowest_bit(self.hours), _lowest_bit(self.minutes)
                return minute.replace(year=year, month=month, day=found, hour=hour, minute=first_minute)
            year, month, day = year + month // 12, month % 12 + 1, 0
        return None

    def _days_of(self, year: int, month: int) -> int:
        if not self.months >> month & 1:
            return 0
        first_weekday, length = monthrange(year, month)
        weekdays = self.weekdays * _EVERY_WEEK_OF_A_MONTH >> (first_weekday + 1) % 7 << 1
        days = self.days | weekdays if self.either_day else self.days & weekdays
        return days & (1 << length + 1) - 2


def parse_cron(expression: str) -> Cron:
    """Parse five fields: minute, hour, day of month, month, day of week.

    Raises:
        ConfigurationError: names the field, the wrong value and what is valid.
    """
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        raise ConfigurationError(_wrong_number_of_fields(len(texts)))
    minutes, hours, days, months, weekdays = map(_parse_field, _FIELDS, texts)
    minute_text, hour_text, day_text, month_text, weekday_text = texts
    cron = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays & 0b1111111 | weekdays >> 7,
        either_day=not (_starts_with_star(day_text) or _starts_with_star(weekday_text)),
        fixed_time=not (_starts_with_star(minute_text) or _starts_with_star(hour_text)),
    )
    longest_month = max(length for month, length in enumerate(_MOST_DAYS, start=1) if months >> month & 1)
    if not cron.either_day and _lowest_bit(days) > longest_month:
        raise ConfigurationError(
            f"day of month: {day_text!r} never comes in month {month_text!r}; use 1-{longest_month}"
        )
    return cron


def _parse_field(field: _Field, text: str) -> int:
    bits = 0
    for item in text.split(","):
        bits |= _parse_item(field, item)
    return bits


def _parse_item(field: _Field, item: str) -> int:
    parts = _ITEM.fullmatch(item)
    if parts is None:
        raise _not_understood(field, item)
    if parts["any"]:
        first, last = field.low, field.high
    else:
        first = _parse_value(field, parts["first"], item)
        open_end = field.high if parts["step"] else first
        last = _parse_value(field, parts["last"], item) if parts["last"] else open_end
    if field is _WEEKDAY and last == 0 < first:
        last = 7
    if last < first:
        raise ConfigurationError(
            f"{field.name}: {item!r} runs backwards; write {first}-{field.high},{field.low}-{last}"
        )
    step = int(parts["step"] or 1)
    if step == 0:
        raise ConfigurationError(f"{field.name}: {item!r} has step 0; the step must be 1 or more")
    return sum(1 << value for value in range(first, last + 1, step))


def _parse_value(field: _Field, text: str, item: str) -> int:
    if text.upper() in field.names:
        return field.low + field.names.index(text.upper())
    if not text.isdecimal():
        raise _not_understood(field, item)
    if not field.low <= int(text) <= field.high:
        raise ConfigurationError(f"{field.name}: {text!r} is out of range; use {field.valid}")
    return int(text)


def _not_understood(field: _Field, item: str) -> ConfigurationError:
    foreign = " (the signs L, W and # of other crons are not supported)" if _FOREIGN_SIGN.search(item) else ""
    return ConfigurationError(
        f"{field.name}: {item!r} is not valid{foreign}; use *, {field.valid}, lists (1,2), ranges (1-5) or steps (*/2)"
    )


def _wrong_number_of_fields(count: int) -> str:
    foreign = " (seconds and years are not supported)" if count > len(_FIELDS) else ""
    fields = "1 field" if count == 1 else f"{count} fields"
    return f"{fields}{foreign}; write 5: {', '.join(field.name for field in _FIELDS)}"


def _starts_with_star(text: str) -> bool:
    return text.startswith(("*", "?"))


def _next_bit(bits: int, lowest: int) -> int | None:
    rest = bits >> lowest
    return lowest + _lowest_bit(rest) if rest else None


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
