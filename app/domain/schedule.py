"""When a collection is due: cron expressions in a time zone, and fixed periods.

When clocks change, cron schedules do what Debian's cron does (crontab(5), and the virtual clock of Vixie's cron.c):
a schedule with a star at the start of its minute or hour follows real time without a break or a pause; one with fixed
times fires once right after a gap that swallowed it, and only the first time in an hour that comes twice. Where clocks
go forward by three hours or more, or back by more than three, they were corrected, and nothing is made up or held back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, available_timezones

from app.domain.choices import choose_one
from app.domain.cron import Cron, parse_cron
from app.domain.duration import parse_duration
from app.domain.errors import ConfigurationError
from app.domain.wall_clock import offset_periods

if TYPE_CHECKING:
    from app.domain.wall_clock import OffsetPeriod

SHORTEST_PERIOD = timedelta(seconds=1)

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every"
_ZONE_PREFIX = re.compile(r"\s*(?:CRON_)?TZ=(?P<zone>\S*)")
_CORRECTION = timedelta(hours=3)
# 29 February falls on a given weekday at least once in 40 years, the gap at a turn of the century included.
_SEARCHED_YEARS = 41


class Schedule(Protocol):
    """Fire times in order. Equal expressions give equal schedules."""

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime | None:
        """The first fire time later than `instant`, in UTC; both arguments are aware.

        `last_fire` is the stored fire time from which periods count; cron expressions do not look at it. None: it never
        fires again (a cron expression that only matches minutes which clocks in its zone leave out).
        """


def parse_schedule(expression: str, timezone: str = "UTC") -> Schedule:
    """Read a cron expression, a macro such as `@daily`, or `@every` with a duration.

    A prefix `CRON_TZ=Zone` (or `TZ=Zone`) wins over `timezone`. Schedules are cached, so parsing one again is cheap.

    Raises:
        ConfigurationError: saying which field or name is wrong and what is valid.
    """
    return _parse(expression, timezone)


def parse_time_zone(name: str) -> tzinfo:
    """Find a zone of the machine's time zone database.

    Raises:
        ConfigurationError: with the nearest name that exists.
    """
    if name == "UTC":
        return UTC  # also where the machine has no time zone database
    if name in _zone_names():
        return ZoneInfo(name)
    by_folded_name = {known.casefold(): known for known in _zone_names()}
    near = get_close_matches(name.casefold(), by_folded_name, n=1)
    hint = f"did you mean {by_folded_name[near[0]]!r}?" if near else "use a name such as 'Europe/Berlin' or 'UTC'"
    raise ConfigurationError(f"unknown time zone {name!r}; {hint}")


@lru_cache(maxsize=65_536)
def _parse(expression: str, timezone: str) -> Schedule:
    prefixed = _ZONE_PREFIX.match(expression)
    zone = prefixed["zone"] if prefixed else timezone
    body = expression[prefixed.end() :] if prefixed else expression
    try:
        return _parse_body(body.strip(), parse_time_zone(zone))
    except ConfigurationError as error:
        raise ConfigurationError(f"schedule {expression!r}: {error}") from None


def _parse_body(body: str, zone: tzinfo) -> Schedule:
    if not body.startswith("@"):
        return CronSchedule(parse_cron(body), zone)
    name, *arguments = body.split(maxsplit=1)
    if name == _EVERY:
        return PeriodicSchedule(_period("".join(arguments)))
    if name not in _MACROS:
        raise ConfigurationError(f"unknown macro {name!r}; {choose_one(name, [*_MACROS, _EVERY])}")
    if arguments:
        raise ConfigurationError(f"{name!r} stands alone; remove {arguments[0]!r}")
    return CronSchedule(parse_cron(_MACROS[name]), zone)


def _period(text: str) -> timedelta:
    period = parse_duration(text)
    if period < SHORTEST_PERIOD:
        raise ConfigurationError(f"period {text!r} is too short; use 1s or more")
    return period


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class PeriodicSchedule:
    """Fires whenever `period` has passed since the last fire time, on no clock in particular."""

    period: timedelta

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime:
        """The first of `last_fire` + 1, 2, 3 … periods later than `instant`, which stands in for no last fire."""
        start = _in_utc(instant if last_fire is None else last_fire)
        return start + max(1, (instant - start) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Fires at the minutes that match `cron` on the clocks of `zone`."""

    cron: Cron
    zone: tzinfo

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime | None:  # noqa: ARG002
        """The first fire time later than `instant`, or None if there is none for 40 years."""
        moment = _in_utc(instant).replace(tzinfo=None)
        for period in offset_periods(self.zone, moment, years=_SEARCHED_YEARS):
            wall = self.cron.first_match(self._earliest(period, moment), before=period.end + period.offset)
            if wall is not None:
                return max(wall - period.offset, period.start).replace(tzinfo=UTC)
        return None

    def _earliest(self, period: OffsetPeriod, moment: datetime) -> datetime:
        """The wall time from which `period` is searched.

        For fixed times the clock before the change goes on: after a gap the search begins inside it (what is found
        there fires as the period starts), in a repeated hour it begins when that hour is over.
        """
        goes_on = self.cron.fixed_time and -_CORRECTION <= period.shift < _CORRECTION
        wall = period.start + (period.previous_offset if goes_on else period.offset)
        if moment < period.start:
            return wall
        return max(wall, moment + period.offset + timedelta.resolution)


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return instant.astimezone(UTC)
