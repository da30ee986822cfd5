"""Texts by which a source tells what is new, compared as what they mean: moments by time, numbers by size.

As texts, `…:00.5Z` is before `…:00Z`, `02:10+01:00` before `02:30+02:00`, a space before a T, and `1000` before `999`.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from typing import Any, Final, NamedTuple

from app.connectors.values import jsontext

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_MOMENT: Final = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?(?: ?(?:[Zz]|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?))?)?"
)
# RFC 5322, as in headers of HTTP. Of zones by name Python knows only some, and takes the others for UTC.
_NAMED_DAY: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(:\d\d)? (GMT|UTC?|Z|[+-]\d{4})"
)
_MISLEADING: Final = (
    (
        re.compile(r"(Mon|Tue(s)?|Wed(nes)?|Thu(rs)?|Fri|Sat(ur)?|Sun)(day)?\b.*\d.*", re.IGNORECASE | re.DOTALL),
        "a text that begins with the day of the week is not in the order of time",
    ),
    (
        re.compile(r"\d{1,2}([/.-])\d{1,2}\1\d{4}(\D.*)?"),
        "a text that begins with the day or the month is not in the order of time",
    ),
    (
        re.compile(r".*\d ?[ap]\.?m\b.*", re.IGNORECASE | re.DOTALL),
        "a text with AM or PM is not in the order of time",
    ),
)
# `2024-9-1` and `2024-10-1`, in which characters are not in the order of what they stand for.
_UNPADDED: Final = re.compile(r"\d{4}([./-])\d{1,2}\1\d{1,2}(?!\d).*", re.DOTALL)
_EXPONENT: Final = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d{1,4})?", re.IGNORECASE)
# What stands where there is no date.
_NO_DATE: Final = re.compile(r"\s*|0000-00-00([T ]00:00(:00([.,]0+)?)?)?(Z|[+-]00:?00)?", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d*")
_DAY: Final = 86400
_FIRST_OF_1970: Final = date(1970, 1, 1).toordinal()


class UnorderedError(ValueError):
    """Two values of which nothing tells which is the later."""


class _Moment(NamedTuple):
    """In UTC, from the first day of year 1; `fraction` are the digits of a second, without zeros at their end."""

    seconds: int
    fraction: str
    is_day: bool


def is_earlier(value: str, than: str) -> bool:
    """Raises `UnorderedError`."""
    return _compared(value, than) < 0


class CursorText(str):
    """A text that is compared as what it means, also with plain ones; raises `UnorderedError`."""

    __slots__ = ()

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, str) and _compared(self, other) == 0
        except UnorderedError:
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return _compared(self, other) < 0

    def __le__(self, other: object) -> bool:
        return _compared(self, other) <= 0

    def __gt__(self, other: object) -> bool:
        return _compared(self, other) > 0

    def __ge__(self, other: object) -> bool:
        return _compared(self, other) >= 0


def _compared(value: str, other: object) -> int:
    """Negative, zero or positive as `value`, which has come now, lies before, at or after `other`."""
    if not isinstance(other, str):
        raise _unordered(str(value), other, "one is a text and one is not")
    value, other = str(value), str(other)  # plain ones, which compare as texts
    one, two = _meaning(value), _meaning(other)
    if isinstance(one, _Moment) and isinstance(two, _Moment):
        if one.is_day and not two.is_day and one.seconds == two.seconds - two.seconds % _DAY and one[:2] < two[:2]:
            raise _unordered(value, other, "one is a day and one a time of that day")
        return _sign(one[:2], two[:2])
    if isinstance(one, Decimal) and isinstance(two, Decimal):
        return _sign(one, two)
    as_texts = _sign(value, other)
    if why := _misleading(value, other, as_texts):
        raise _unordered(value, other, why)
    has_none = as_texts < 0 and _NO_DATE.fullmatch(value)
    if (isinstance(one, _Moment) and as_texts > 0) or (isinstance(two, _Moment) and has_none):
        # Such as a value to begin with: it is before all that has a date.
        return as_texts
    if isinstance(one, _Moment) or isinstance(two, _Moment):
        raise _unordered(value, other, "one is a time and one is not")
    if one is not None or two is not None:
        _check_digits(value, other, as_texts)
    return as_texts


def _misleading(value: str, other: str, as_texts: int) -> str | None:
    """Why two texts of one kind are not in the order of their characters; equal ones need none."""
    if not as_texts:
        return None
    for form, why in _MISLEADING:
        if form.fullmatch(value) and form.fullmatch(other):
            return why
    differ = _numbers_differ(value, other, as_texts)
    return "their characters and their numbers are in different orders" if differ else None


def _numbers_differ(value: str, other: str, as_texts: int) -> bool:
    """Whether the parts of dates, or numbers with exponents, are in another order than the texts."""
    if _UNPADDED.fullmatch(value) and _UNPADDED.fullmatch(other):
        one, two = ([int(part) for part in re.findall(r"\d+", text)] for text in (value, other))
        return one != two and _sign(one, two) != as_texts
    if _EXPONENT.fullmatch(value) and _EXPONENT.fullmatch(other):
        return _sign(Decimal(value), Decimal(other)) != as_texts
    return False


def _check_digits(value: str, other: str, as_texts: int) -> None:
    """A number beside what is none: their order as texts is not that of the numbers that they begin with."""
    begins = [found[0] for text in (value, other) if (found := _DIGITS.match(text)) and found[0]]
    if len(value) != len(other) and len(begins) == 2 and _sign(*map(Decimal, begins)) == -as_texts:  # noqa: PLR2004 -- both
        raise _unordered(value, other, "one is a number and one is not")


def _unordered(value: object, other: object, why: str) -> UnorderedError:
    return UnorderedError(f"nothing tells which is later, {jsontext.shown(value)} or {jsontext.shown(other)}: {why}")


def _sign(one: Any, two: Any) -> int:
    return int(one > two) - int(one < two)


@lru_cache(maxsize=1024)
def _meaning(text: str) -> _Moment | Decimal | None:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if _NAMED_DAY.fullmatch(text) and (parsed := parsedate_tz(text)):
        return _Moment(mktime_tz(parsed) + _FIRST_OF_1970 * _DAY, "", is_day=False)
    found = _MOMENT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        return None
    clock = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    offset = int(hours or 0) * 3600 + int(minutes or 0) * 60
    seconds = days * _DAY + clock - (-offset if sign == "-" else offset)
    return _Moment(seconds, (fraction or "").rstrip("0"), is_day=hour is None)
