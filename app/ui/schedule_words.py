"""A schedule as people say it, and when it fires next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cron_descriptor import Options, get_description  # type: ignore[import-untyped]
from cron_descriptor.Exception import FormatException  # type: ignore[import-untyped]

from app.domain.elapsed import span_in_words
from app.domain.schedule import PeriodicSchedule, cron_text, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FireTime:
    """A fire time in UTC, and as the clocks of the schedule's zone show it; None if that is UTC."""

    at: datetime
    local: datetime | None
    clocks_change: bool
    """Whether they are set forward or back on that day."""


@lru_cache(maxsize=1000)
def schedule_in_words(expression: str) -> str:
    """Such as `At 09:00, Monday through Friday`; the expression itself, if there are no words for it."""
    schedule = parse_schedule(expression)
    if isinstance(schedule, PeriodicSchedule):
        return f"Every {span_in_words(schedule.period.total_seconds())}"
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    try:
        return str(get_description(cron_text(expression).replace("?", "*"), options))
    except FormatException:
        return expression


def next_fire_times(expression: str, timezone: str, first: datetime | None, count: int) -> Iterator[FireTime]:
    """The next fire times, beginning with the first one, which a worker has recorded."""
    schedule = parse_schedule(expression, timezone)
    zone = UTC if isinstance(schedule, PeriodicSchedule) else schedule.zone
    at = first
    for _ in range(count):
        if at is None:
            return
        yield _fire_time(at, zone)
        at = schedule.next_after(at, at)


def _fire_time(at: datetime, zone: tzinfo) -> FireTime:
    local = at.astimezone(zone)
    if local.utcoffset() == timedelta() and local.tzname() == "UTC":
        return FireTime(at, None, clocks_change=False)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return FireTime(at, local, clocks_change=midnight.utcoffset() != (midnight + _DAY).utcoffset())
