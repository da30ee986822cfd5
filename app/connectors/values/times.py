"""What a column of times can hold: points in time, days and times of day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.values.casting import Unfit, is_within

# Python's own parsers misread some strings without separators, and truncate what is more precise.
_DAY = r"\d{4}-?\d{2}-?\d{2}|\d{4}-?W\d{2}(-?\d)?"
_OFFSET = r"( ?(Z|[+-]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?))?"
_CLOCK = r"\d{2}(:\d{2}(:\d{2}([.,]\d+)?)?|\d{2}(\d{2}([.,]\d+)?)?)?" + _OFFSET
_MOMENT = re.compile(rf"({_DAY})([Tt ]{_CLOCK})?")
_TIME_OF_DAY = re.compile(rf"T?{_CLOCK}")
_END_OF_DAY = re.compile(r"T?24:00(:00([.,]0+)?)?")
_INFINITIES = ("infinity", "-infinity")
_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")
_MICROSECONDS = 6
_FIRST_MOMENT, _LAST_MOMENT = (
    (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 -- both sides are in UTC
    for moment in (datetime.min, datetime.max)  # noqa: DTZ901 -- likewise
)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Points in time (`zone`) or wall clock times; no offset means UTC, as in Singer's specification.

    `infinite`: the texts "infinity" and "-infinity" can be stored, too.
    """

    zone: bool
    digits: int = _MICROSECONDS
    infinite: bool = False

    def fits(self, array: pa.Array) -> pa.Array | None:
        if self.digits < _MICROSECONDS:
            return None
        # A string without an offset can be either; one with an offset other than UTC only the first.
        for zone in ("UTC", None) if self.zone else (None,):
            found = _parse_texts(array, pa.timestamp("us", zone))
            if found is not None:
                inside = is_within(found.cast(pa.int64()), _FIRST_MOMENT, _LAST_MOMENT)
                return found.cast(pa.timestamp("us", "UTC" if self.zone else None)) if inside else None
        return None

    def cast(self, value: Any) -> datetime | str:
        if self.infinite and value in _INFINITIES:
            return str(value)
        moment = _moment(value)
        if moment.microsecond % 10 ** (_MICROSECONDS - self.digits):
            raise Unfit("it has too many decimal places of a second")
        return _in_utc(moment) if self.zone else _without_zone(moment)


@dataclass(frozen=True, slots=True)
class Date:
    """`infinite`: the texts "infinity" and "-infinity" can be stored, too."""

    infinite: bool = False

    def fits(self, array: pa.Array) -> pa.Array | None:
        found = _parse_texts(array, pa.date32())
        days = timedelta(days=1) // timedelta(microseconds=1)
        if found is None or not is_within(found.cast(pa.int32()), _FIRST_MOMENT // days, _LAST_MOMENT // days):
            return None
        return found

    def cast(self, value: Any) -> date | str:
        if self.infinite and value in _INFINITIES:
            return str(value)
        moment = _without_zone(_moment(value, "date"))
        if moment.time() != time.min:
            raise Unfit("it has a time of day")
        return moment.date()


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """`midnight`: 24:00:00, the end of a day, can be stored, too."""

    digits: int = _MICROSECONDS
    midnight: bool = False

    def fits(self, array: pa.Array) -> pa.Array | None:  # noqa: ARG002 -- Arrow parses no times of day
        return None

    def cast(self, value: Any) -> time | str:
        if self.midnight and isinstance(value, str) and _END_OF_DAY.fullmatch(value):
            return "24:00:00"
        if not isinstance(value, str) or _FINER_THAN_MICROSECONDS.search(value):
            raise Unfit("it is not a time of day with at most microseconds")
        try:
            clock = time.fromisoformat(value)
        except ValueError:
            raise Unfit("it is not an ISO 8601 time of day") from None
        if not _TIME_OF_DAY.fullmatch(value):
            raise Unfit("it is not an ISO 8601 time of day")
        if clock.utcoffset():
            raise Unfit("it has an offset from UTC")
        if clock.microsecond % 10 ** (_MICROSECONDS - self.digits):
            raise Unfit("it has too many decimal places of a second")
        return clock.replace(tzinfo=None)


def _moment(value: Any, what: str = "time") -> datetime:
    """`what` it should be, for a message."""
    example = "2024-05-01" if what == "date" else "2024-05-01T10:00:00Z"
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or not _MOMENT.fullmatch(value):
        raise Unfit(f"it is not an ISO 8601 {what} between the years 1 and 9999, such as {example}")
    if _FINER_THAN_MICROSECONDS.search(value):
        raise Unfit("it is more precise than microseconds")
    return moment


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise Unfit("in UTC it is not between the years 1 and 9999") from None


def _without_zone(moment: datetime) -> datetime:
    if moment.utcoffset() not in (None, timedelta(0)):
        raise Unfit("it has an offset from UTC that the column cannot keep")
    return moment.replace(tzinfo=None)


def _parse_texts(array: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Parses the common forms of ISO 8601; an array that already has this type is returned as it is."""
    if array.type == kind:
        return array
    try:
        return array.cast(kind) if pa.types.is_string(array.type) else None
    except pa.ArrowInvalid:
        return None
