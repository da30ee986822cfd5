"""Cursor values that are strings, compared by what they mean: times by time, numbers by size.

As strings, `…:00.5Z` sorts before `…:00Z`, `02:10+01:00` before `02:30+02:00`, a space before a T, `1000` before `999`.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from typing import Any, Final, NamedTuple

from app.connectors.values import jsontext
from app.connectors.values.forms import is_unordered, why_unordered, zone_of

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_MOMENT: Final = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?"
    r"(?: ?(?:[Zz]|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?)(?:\[[^\]]*\])?)?)?"  # RFC 9557 adds the zone in brackets
)
# RFC 5322, as in HTTP headers. Python knows only some named zones, and takes the others for UTC.
_NAMED_DAY: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(:\d\d)? (GMT|UTC?|Z|[+-]\d{4})"
)
# `2024-9-1` and `2024-10-1`, whose characters do not sort by date.
_UNPADDED: Final = re.compile(r"\d{4}([./-])\d{1,2}\1\d{1,2}(?!\d).*", re.DOTALL)
_EXPONENT: Final = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d{1,4})?", re.IGNORECASE)
# Placeholders for a missing date.
_NO_DATE: Final = re.compile(r"\s*|0000-00-00([T ]00:00(:00([.,]0+)?)?)?(Z|[+-]00:?00)?", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d+")
_AS_NUMBERS: Final = "they sort differently as strings and as numbers"
_DAY: Final = 86400
_FIRST_OF_1970: Final = date(1970, 1, 1).toordinal()


class UnorderedError(ValueError):
    """Two values whose order is not clear."""


class _Moment(NamedTuple):
    """In UTC, from the first day of year 1; `fraction` are the decimal places of a second without trailing zeros."""

    seconds: int
    fraction: str
    is_day: bool


def is_earlier(value: str, than: str) -> bool:
    """Raises `UnorderedError`."""
    return _compare(value, than) < 0


def is_misplaced(value: str, before: str) -> bool:
    """Whether `value`, which a database sorts before `before`, means something that is not earlier, or not clearly.

    For strings that mean no more than their characters, the database's own collation decides.
    """
    if _meaning(value) is None and _meaning(before) is None:
        return _misordering(value, before, -1) is not None
    try:
        return not is_earlier(value, before)
    except UnorderedError:
        return True


def is_time_or_number(text: str) -> bool:
    """Times may be of one day, and without zeros, such as `2024-9-1`."""
    return _meaning(text) is not None or _UNPADDED.fullmatch(text) is not None


class CursorText(str):
    """A string that is compared by what it means, also with plain strings; raises `UnorderedError`."""

    __slots__ = ()

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, str) and _compare(self, other) == 0
        except UnorderedError:
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return _compare(self, other) < 0

    def __le__(self, other: object) -> bool:
        return _compare(self, other) <= 0

    def __gt__(self, other: object) -> bool:
        return _compare(self, other) > 0

    def __ge__(self, other: object) -> bool:
        return _compare(self, other) >= 0


def _compare(value: str, other: object) -> int:
    """Negative, zero or positive if the current `value` is before, equal to or after `other`."""
    if not isinstance(other, str):
        raise _unordered_error(str(value), other, "one is a string and the other is not")
    value, other = str(value), str(other)  # plain ones, which compare as strings
    one, two = _meaning(value), _meaning(other)
    if isinstance(one, _Moment) and isinstance(two, _Moment):
        if one.is_day and not two.is_day and one.seconds == two.seconds - two.seconds % _DAY and one[:2] < two[:2]:
            raise _unordered_error(value, other, "one is a date and the other a time on that date")
        return _sign(one[:2], two[:2])
    if isinstance(one, Decimal) and isinstance(two, Decimal):
        return _sign(one, two)
    as_texts = _sign(value, other)
    if why := _misordering(value, other, as_texts):
        raise _unordered_error(value, other, why)
    has_none = as_texts < 0 and _NO_DATE.fullmatch(value)
    is_first = as_texts > 0 and not is_unordered(other) and not zone_of(other)
    if (isinstance(one, _Moment) and is_first) or (isinstance(two, _Moment) and has_none):
        # Such as an initial value, which is before all dates.
        return as_texts
    if isinstance(one, _Moment) or isinstance(two, _Moment):
        raise _unordered_error(value, other, "one is a time and the other is not")
    if one is not None or two is not None:
        _check_digits(value, other, as_texts)
    return as_texts


def _misordering(value: str, other: str, as_texts: int) -> str | None:
    """Why two strings of one kind do not sort by their characters; None for equal ones."""
    if not as_texts:
        return None
    if _EXPONENT.fullmatch(value) and _EXPONENT.fullmatch(other):
        return None if _sign(Decimal(value), Decimal(other)) == as_texts else _AS_NUMBERS
    if is_unordered(value) and is_unordered(other):
        return why_unordered(value)
    if (zone := zone_of(value)) and (other_zone := zone_of(other)) and zone != other_zone:
        return "they are times in different zones"
    return _AS_NUMBERS if _numbers_differ(value, other, as_texts) else None


def _numbers_differ(value: str, other: str, as_texts: int) -> bool:
    """Whether numbers in the strings, the parts of dates among them, sort differently from the strings."""
    if _UNPADDED.fullmatch(value) and _UNPADDED.fullmatch(other):
        return _parts_differ(value, other, as_texts)
    if len(value) != len(other) and _DIGITS.sub("0", value) == _DIGITS.sub("0", other):
        # `INV-999` and `INV-1000`, `v1.9` and `v1.10`. Of one length, they may be hexadecimal.
        return _parts_differ(value, other, as_texts)
    return False


def _parts_differ(value: str, other: str, as_texts: int) -> bool:
    one, two = ([Decimal(part) for part in _DIGITS.findall(text)] for text in (value, other))
    return one != two and _sign(one, two) != as_texts


def _check_digits(value: str, other: str, as_texts: int) -> None:
    """Refuses a number and a non-number whose order as strings is not that of their leading numbers."""
    begins = [found[0] for text in (value, other) if (found := _DIGITS.match(text))]
    if len(value) != len(other) and len(begins) == 2 and _sign(*map(Decimal, begins)) == -as_texts:  # noqa: PLR2004 -- both
        raise _unordered_error(value, other, "one is a number and the other is not")


def _unordered_error(value: object, other: object, why: str) -> UnorderedError:
    return UnorderedError(f"cannot tell which is later, {jsontext.preview(value)} or {jsontext.preview(other)}: {why}")


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
