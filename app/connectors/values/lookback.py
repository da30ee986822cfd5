"""Cursor values a length of time before others, so that rows which became visible late are read."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from typing import Any, Final

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
# What follows the seconds stays as it is.
_TIME: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:(?P<separator>[Tt ])(?P<clock>\d\d:\d\d(?P<second>:\d\d)?)"
    r"(?P<rest>(?:[.,]\d+)?(?: ?(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d){0,2}))?))?"
)


def earlier(value: Any, back: timedelta) -> Any | None:
    """What is `back` before `value`, of the same type; a string keeps its form. None: before the first year.

    Dates go back by whole days.

    Raises:
        ValueError: `value` is neither a time, nor a date, nor one of these as ISO 8601 writes them.
    """
    try:
        if isinstance(value, datetime):
            return value - back
        if isinstance(value, date):
            return value - _whole(back, _DAY)
        return _earlier_text(value, back)
    except OverflowError:
        return None


def _earlier_text(value: Any, back: timedelta) -> str:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("it is not a time")
    if found["clock"] is None:
        return (date.fromisoformat(value) - _whole(back, _DAY)).isoformat()
    moment = datetime.fromisoformat(f"{found['day']} {found['clock']}") - _whole(back, _SECOND)
    precision = "seconds" if found["second"] else "minutes"
    return moment.isoformat(sep=found["separator"], timespec=precision) + found["rest"]


def _whole(back: timedelta, unit: timedelta) -> timedelta:
    return math.ceil(back / unit) * unit
