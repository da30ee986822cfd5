"""Schedules of collections: cron expressions in a time zone, and fixed periods.

When clocks change, cron schedules behave as in Debian's cron (crontab(5), and the virtual clock of Vixie's cron.c). A
schedule with a star at the start of its minute or hour follows real time. One with fixed times fires once right after a
gap that it falls into, and only the first time in an hour that is repeated. A change of three hours or more forward, or
more than three back, is a correction of the clock: nothing is made up for or held back.
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
# Files of the time zone database that stand for the machine's own zone, and for none.
_NOT_ZONES = frozenset({"localtime", "Factory"})
_ZONE_PREFIX = re.compile(r"\s*(?:CRON_)?TZ=(?P<zone>\S*)")
_CORRECTION = timedelta(hours=3)
# 29 February falls on a given weekday at least once in 40 years, the gap at a turn of the century included.
_SEARCHED_YEARS = 41


class Schedule(Protocol):
    """A sequence of fire times. Equal expressions give equal schedules."""

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime | None:
        """The first fire time after `instant`, in UTC; both arguments are aware times.

        Periods count from `last_fire`, the stored fire time; cron expressions ignore it. None if it never fires again,
        such as a cron expression that only matches minutes which the clocks of its zone skip.
        """


def parse_schedule(expression: str, timezone: str = "UTC") -> CronSchedule | PeriodicSchedule:
    """Parse a cron expression, a macro such as `@daily`, or `@every` with a duration.

    A prefix `CRON_TZ=Zone` (or `TZ=Zone`) overrides `timezone`. Parsed schedules are cached.

    Raises:
        ConfigurationError: names the wrong field or name, and what is valid.
    """
    return _parse(expression, timezone)


def cron_text(expression: str) -> str:
    """The five fields of a valid expression: without its time zone, and those that its macro stands for."""
    prefix = _ZONE_PREFIX.match(expression)
    body = expression[prefix.end() :].strip() if prefix else expression.strip()
    return _MACROS.get(body, body)


def parse_time_zone(name: str) -> tzinfo:
    """Find a zone in the machine's time zone database.

    Raises:
        ConfigurationError: there is no such zone; suggests the closest name.
    """
    if name == "UTC":
        return UTC  # also if the machine has no time zone database
    if name in _zone_names():
        return ZoneInfo(name)
    if name in _NOT_ZONES:
        raise ConfigurationError(
            f"time zone {name!r} may be another one on each machine: use a name such as 'Europe/Berlin' or 'UTC'"
        )
    by_folded_name = {known.casefold(): known for known in _zone_names()}
    near = get_close_matches(name.casefold(), by_folded_name, n=1)
    hint = f"did you mean {by_folded_name[near[0]]!r}?" if near else "use a name such as 'Europe/Berlin' or 'UTC'"
    raise ConfigurationError(f"unknown time zone {name!r}; {hint}")


@lru_cache(maxsize=65_536)
def _parse(expression: str, timezone: str) -> CronSchedule | PeriodicSchedule:
    prefixed = _ZONE_PREFIX.match(expression)
    zone = prefixed["zone"] if prefixed else timezone
    body = expression[prefixed.end() :] if prefixed else expression
    try:
        return _parse_body(body.strip(), parse_time_zone(zone))
    except ConfigurationError as error:
        raise ConfigurationError(f"schedule {expression!r}: {error}") from None


def _parse_body(body: str, zone: tzinfo) -> CronSchedule | PeriodicSchedule:
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
    return frozenset(available_timezones()) - _NOT_ZONES


@dataclass(frozen=True, slots=True)
class PeriodicSchedule:
    """Fires whenever `period` has passed since the last fire time."""

    period: timedelta

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime:
        """The first of `last_fire` + 1, 2, 3 … periods after `instant`. `last_fire` defaults to `instant`."""
        start = _in_utc(instant if last_fire is None else last_fire)
        return start + max(1, (instant - start) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Fires at the minutes that match `cron` in the wall time of `zone`."""

    cron: Cron
    zone: tzinfo

    def next_after(self, instant: datetime, last_fire: datetime | None = None) -> datetime | None:  # noqa: ARG002
        """The first fire time after `instant`, or None if there is none within 40 years."""
        moment = _in_utc(instant).replace(tzinfo=None)
        for period in offset_periods(self.zone, moment, years=_SEARCHED_YEARS):
            wall = self.cron.first_match(self._earliest(period, moment), before=period.end + period.offset)
            if wall is not None:
                return max(wall - period.offset, period.start).replace(tzinfo=UTC)
        return None

    def _earliest(self, period: OffsetPeriod, moment: datetime) -> datetime:
        """The wall time at which the search in `period` starts.

        For fixed times the clock from before the change continues. After a gap the search starts inside the gap, and a
        match there fires when the period starts. In a repeated hour the search starts after that hour.
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
