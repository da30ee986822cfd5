"""How many rows tasks have written, by hour and by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.store.database import Pool

Granularity: TypeAlias = Literal["hour", "day"]

_SQL: Final = load_statements("statistics.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The whole hours or days, in UTC, that begin before `end`, from the one with `start` on.

    Of these `sources`, None for all, whose id begins with `prefix`.
    """

    start: datetime
    end: datetime
    granularity: Granularity
    sources: Sequence[str] | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """The rows, at all destinations together, of the tasks that ended in an hour or a day, and how many failed."""

    start: datetime
    rows: int
    failed: int


async def fetch_periods(pool: Pool, wanted: Wanted) -> list[Period]:
    """Fetch the periods in which tasks have ended, in order. Days are a few seconds behind."""
    sources = None if wanted.sources is None else [*wanted.sources]
    start, end = wanted.start.astimezone(UTC), wanted.end.astimezone(UTC)
    if wanted.granularity == "hour":
        first = start.replace(minute=0, second=0, microsecond=0)
        rows = await pool.fetch(_SQL["hours"], first, _next_hour(end), sources, wanted.prefix)
        return [Period(row["start"], row["rows"], row["failed"]) for row in rows]
    rows = await pool.fetch(_SQL["days"], start.date(), _next_day(end).date(), sources, wanted.prefix)
    return [Period(datetime.combine(row["start"], time(tzinfo=UTC)), row["rows"], row["failed"]) for row in rows]


def _next_hour(moment: datetime) -> datetime:
    """The moment, if an hour begins then, or the beginning of the next hour."""
    begun = moment.replace(minute=0, second=0, microsecond=0)
    return moment if begun == moment else _later(begun, timedelta(hours=1))


def _next_day(moment: datetime) -> datetime:
    begun = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return moment if begun == moment else _later(begun, timedelta(days=1))


def _later(moment: datetime, by: timedelta) -> datetime:
    latest = datetime.max.replace(tzinfo=UTC)
    return moment + by if moment <= latest - by else latest
