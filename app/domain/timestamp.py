"""Times as clients write them, in the format of RFC 3339, and as they are shown: in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

# RFC 3339, section 5.6. Clients that do not escape the plus sign of an offset send a space.
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([-+ ])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_HAS_FRACTION: Final = re.compile(r"\.[0-9]*[1-9]")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_time(text: str) -> datetime:
    """Parse a time into UTC, truncated to microseconds. A leap second becomes the second after it.

    Raises:
        ValueError, OverflowError: not RFC 3339, or not in the years 1 to 9999.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not RFC 3339")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = found.groups()[6:]
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    leap = second == 60  # noqa: PLR2004 - RFC 3339's one value beyond the clock's
    local = datetime(
        year,
        month,
        day,
        hour,
        minute,
        second - leap,
        0 if leap else int((fraction or "0").ljust(9, "0")) // 1000,
        tzinfo=timezone(-offset if sign == "-" else offset),
    )
    return local.astimezone(UTC) + timedelta(seconds=leap)


def read_end(text: str) -> datetime:
    """The same for the end of an interval: a time in whole seconds stands for its whole second, up to its end.

    Raises:
        ValueError, OverflowError: as `read_time`.
    """
    at = read_time(text)
    return at if at.microsecond or _HAS_FRACTION.search(text) else at.replace(microsecond=999_999)


def read_day_or_time(text: str) -> datetime:
    """The same, or a day such as `2024-01-31`, which begins at midnight UTC.

    Raises:
        ValueError, OverflowError: it is neither.
    """
    return read_time(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)


def utc_second(at: datetime) -> str:
    """A time in UTC, to the second: `2024-01-31T12:00:00Z`."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def utc_millisecond(at: datetime) -> str:
    """A time in UTC, to the millisecond: `2024-01-31T12:00:00.000Z`."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def utc_in_words(at: datetime) -> str:
    """A time in UTC within a sentence: `2024-01-31 12:00:00Z`."""
    return f"{at:%Y-%m-%d %H:%M:%SZ}"
