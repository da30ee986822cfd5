"""Arrow's times and days as the texts that PostgreSQL has for them, in UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

# The calendar repeats after 400 years (https://www.postgresql.org/docs/current/datetime-julian-dates.html).
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
_EPOCH: Final = date(1970, 1, 1).toordinal() - 1
_DAY: Final = timedelta(days=1) // timedelta(microseconds=1)


def is_temporal(kind: pa.DataType) -> bool:
    """Whether arrays of this type hold points in time, wall clock times or days."""
    return str(kind).startswith(("timestamp", "date32"))


def texts_of(array: pa.Array) -> list[str | None]:
    """The texts of an array of `timestamp[us]`, with or without a zone, or of `date32`."""
    if str(array.type).startswith("date32"):
        return [None if days is None else day_text(days) for days in _integers(array, "int32")]
    zoned = array.type.tz is not None
    return [None if moment is None else moment_text(moment, zoned=zoned) for moment in _integers(array, "int64")]


def day_text(days: int) -> str:
    """A day by its number since 1970-01-01."""
    day, era = _day_and_era(days)
    return day + era


def moment_text(microseconds: int, *, zoned: bool) -> str:
    """A time by the microseconds since 1970; one that is `zoned` is in UTC."""
    days, rest = divmod(microseconds, _DAY)
    day, era = _day_and_era(days)
    clock = (datetime.min + timedelta(microseconds=rest)).time().isoformat()  # noqa: DTZ901 -- only its clock counts
    return f"{day} {clock.rstrip('0') if '.' in clock else clock}{'+00' if zoned else ''}{era}"


def _day_and_era(days: int) -> tuple[str, str]:
    cycles, rest = divmod(days + _EPOCH, _CYCLE_DAYS)
    day = date.fromordinal(rest + 1)
    year = day.year + cycles * _CYCLE_YEARS
    return f"{year if year > 0 else 1 - year:04}-{day:%m-%d}", "" if year > 0 else " BC"


def _integers(array: pa.Array, kind: str) -> list[Any]:
    return list(array.cast(kind).to_pylist())
