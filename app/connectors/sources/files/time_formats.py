"""Dates and times in a form that the user describes, with the directives of `strptime`.

Not read by `strptime` itself, which depends on the locale, ignores what contradicts itself, and guesses where digits
stand side by side.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any, Final

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT: Final = 3
# How many digits a directive takes.
_DIGITS: Final = {"Y": "4", "y": "2", "f": "1,9", "j": "1,3"} | dict.fromkeys("mdHIMS", "1,2")
_WORDS: Final = {
    "b": "|".join(name[:_SHORT] for name in _MONTHS),
    "B": "|".join(_MONTHS),
    "a": "|".join(name[:_SHORT] for name in _DAYS),
    "A": "|".join(_DAYS),
    "p": "am|pm",
    "z": r"z|[+-]\d{2}(?::?\d{2})?",
}
_OF_DAY: Final = frozenset("HIMSfpz")
_KNOWN: Final = "%Y, %y, %m, %b, %B, %d, %j, %a, %A, %H, %I, %p, %M, %S, %f, %z, %%"
_TOKENS: Final = re.compile(r"%(?P<directive>.?)|\s+|.", re.DOTALL)
_MICROSECOND_DIGITS: Final = 6
# As POSIX has it: 69 to 99 are 1969 to 1999.
_PIVOT: Final = 69


class TimeFormat:
    """Reads texts of the form `given`; with `clock` it may have a time of day."""

    def __init__(self, given: str, *, clock: bool) -> None:
        """Raises ValueError for a form that cannot be read, or could be read in two ways."""
        self.given = given
        tokens = [(each[0], each["directive"]) for each in _TOKENS.finditer(given)]
        self._directives = [directive for _, directive in tokens if directive not in (None, "%")]
        self._check_directives(clock=clock)
        pattern = "".join(_pattern(tokens, at) for at in range(len(tokens)))
        self._pattern = re.compile(pattern, re.ASCII | re.IGNORECASE)

    def read(self, text: str) -> datetime:
        """Raises ValueError if `text` has another form, or there is no such day or time."""
        found = self._pattern.fullmatch(text)
        if found is None:
            raise ValueError(f"it does not have the form {self.given!r}")
        parts = found.groupdict()
        moment = _day(parts) + _clock(parts)
        if self._contradicts_weekday(parts, moment):
            raise ValueError("that day is not this day of the week")
        return moment if (offset := parts.get("z")) is None else moment.replace(tzinfo=_zone(offset))

    def _check_directives(self, *, clock: bool) -> None:
        used = self._directives
        for directive in used:
            if directive not in _DIGITS and directive not in _WORDS:
                raise ValueError(f"'%{directive}' cannot be used; use {_KNOWN}")
            if used.count(directive) > 1:
                raise ValueError(f"'%{directive}' stands twice")
            if directive in _OF_DAY and not clock:
                raise ValueError(f"'%{directive}' is a time of day, which a date does not have")
        self._check_set(set(used))

    @staticmethod
    def _check_set(used: set[str]) -> None:
        month_and_day = "needs one of '%m', '%b', '%B' with '%d', or '%j' alone"
        _check(len(used & {"Y", "y"}) == 1, "needs either '%Y' or '%y'")
        if "j" in used:
            _check(not used & {"m", "b", "B", "d"}, month_and_day)
        else:
            _check(len(used & {"m", "b", "B"}) == 1 and "d" in used, month_and_day)
        _check(len(used & {"H", "I"}) < 2 and ("I" in used) == ("p" in used), "needs '%H', or '%I' with '%p'")  # noqa: PLR2004 -- both
        _check("M" not in used or bool(used & {"H", "I"}), "has '%M' without an hour")
        _check("S" not in used or "M" in used, "has '%S' without '%M'")
        _check("f" not in used or "S" in used, "has '%f' without '%S'")
        _check("z" not in used or bool(used & {"H", "I"}), "has '%z' without an hour")

    @staticmethod
    def _contradicts_weekday(parts: dict[str, Any], moment: datetime) -> bool:
        day = parts.get("a") or parts.get("A")
        return day is not None and not _DAYS[moment.weekday()].startswith(day.lower())


def _check(condition: bool, complaint: str) -> None:  # noqa: FBT001 -- what is checked
    if not condition:
        raise ValueError(complaint)


def _pattern(tokens: list[tuple[str, str | None]], at: int) -> str:
    text, directive = tokens[at]
    if directive in (None, "%"):
        return r"\s+" if text.isspace() else re.escape("%" if directive else text)
    if directive in _WORDS:
        return f"(?P<{directive}>{_WORDS[directive]})"
    digits = _DIGITS[directive or ""]
    if directive != "f" and (_ends_in_digits(tokens, at - 1) or _ends_in_digits(tokens, at + 1)):
        digits = digits[-1]  # where digits stand side by side, none may be left out
    return rf"(?P<{directive}>\d{{{digits}}})"


def _ends_in_digits(tokens: list[tuple[str, str | None]], at: int) -> bool:
    if not 0 <= at < len(tokens):
        return False
    text, directive = tokens[at]
    return directive in _DIGITS if directive else text.isdigit()


def _day(parts: dict[str, Any]) -> datetime:
    if (short := parts.get("y")) is not None:
        year = int(short) + (1900 if int(short) >= _PIVOT else 2000)
    else:
        year = int(parts["Y"])
    if (number := parts.get("j")) is not None:
        moment = datetime(year, 1, 1) + timedelta(days=int(number) - 1)  # noqa: DTZ001 -- the zone comes later
        if moment.year != year:
            raise ValueError(f"the year {year} has no day {number}")
        return moment
    return datetime(year, _month(parts), int(parts["d"]))  # noqa: DTZ001 -- likewise


def _month(parts: dict[str, Any]) -> int:
    if (number := parts.get("m")) is not None:
        return int(number)
    name = (parts.get("b") or parts["B"]).lower()
    return next(at for at, month in enumerate(_MONTHS, start=1) if month.startswith(name))


def _clock(parts: dict[str, Any]) -> timedelta:
    fraction = parts.get("f") or ""
    if fraction[_MICROSECOND_DIGITS:].strip("0"):
        raise ValueError("it is more precise than microseconds")
    clock = time(
        _hour(parts),
        int(parts.get("M") or 0),
        int(parts.get("S") or 0),
        int(fraction[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0")),
    )
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)


def _hour(parts: dict[str, Any]) -> int:
    if (half := parts.get("p")) is None:
        return int(parts.get("H") or 0)
    hour = int(parts["I"])
    if not 1 <= hour <= 12:  # noqa: PLR2004 -- of a clock's face
        raise ValueError(f"with {half} the hour is from 1 to 12")
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _zone(offset: str) -> timezone:
    if offset in ("Z", "z"):
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[-2:]) if len(offset) > len("+02") else 0
    if minutes > 59:  # noqa: PLR2004 -- of an hour
        raise ValueError("its offset from UTC has more than 59 minutes")
    length = timedelta(hours=hours, minutes=minutes)
    return timezone(-length if offset[0] == "-" else length)
