"""Fire times compared with slow oracles: a matcher that looks at every minute, and a model of cron's daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.domain.schedule import PeriodicSchedule, parse_schedule
from tests.cron_expressions import EXPRESSIONS, HOURS, MINUTES, WEEKDAYS, Expression, star
from tests.properties import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

# A zone and a minute at which its clocks change: seasons, midnights, half hours, corrections.
CHANGES = [
    ("Europe/Berlin", "2025-03-30T01:00Z"),
    ("Europe/Berlin", "2025-10-26T01:00Z"),
    ("America/New_York", "2025-03-09T07:00Z"),
    ("America/New_York", "2025-11-02T06:00Z"),
    ("Australia/Lord_Howe", "2025-04-05T15:00Z"),
    ("Australia/Lord_Howe", "2025-10-04T15:30Z"),
    ("America/Sao_Paulo", "2017-10-15T03:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),
    ("America/St_Johns", "2010-03-14T03:31Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("America/Havana", "2025-11-02T05:00Z"),
    ("Asia/Kathmandu", "1985-12-31T18:30Z"),
    ("Africa/Casablanca", "2025-02-23T02:00Z"),
    ("Europe/Lisbon", "1992-09-27T01:00Z"),
    ("Antarctica/Troll", "2025-03-30T01:00Z"),
    ("Antarctica/Casey", "2018-03-10T17:00Z"),
    ("Antarctica/Casey", "2020-10-03T16:01Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00Z"),
    ("UTC", "2024-12-31T00:00Z"),
]


DAILY = st.builds(
    Expression, minute=MINUTES, hour=HOURS, day=star(1, 31), month=star(1, 12), weekday=star(0, 7) | WEEKDAYS
)
INSTANTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - the zone is added
    datetime(2100, 1, 1),  # noqa: DTZ001 - the zone is added
    timezones=st.just(UTC),
)
ZONES = st.sampled_from(sorted({zone for zone, _ in CHANGES}))


def fired_between(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    schedule = parse_schedule(text, zone)
    times: list[datetime] = []
    fire_time = schedule.next_after(start)
    while fire_time is not None and fire_time < end:
        times.append(fire_time)
        fire_time = schedule.next_after(fire_time)
    return times


def minutes_between(start: datetime, end: datetime) -> Iterator[datetime]:
    """Every whole minute later than `start` and before `end`."""
    minute = start.replace(second=0, microsecond=0) + MINUTE
    while minute < end:
        yield minute
        minute += MINUTE


def fired_by_the_daemon(expression: Expression, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Model of Vixie's cron.c: a clock of its own goes through the minutes on the wall, one after the other.

    A minute of real time in which a fixed-time entry is due more than once counts once: the fire time is its key.
    """

    def wall(moment: datetime) -> datetime:
        return moment.astimezone(zone).replace(tzinfo=None)

    fired: list[datetime] = []
    own_clock = wall(start)
    for moment in minutes_between(start, end):
        now = wall(moment)
        behind = now - own_clock
        if timedelta(minutes=1) < behind <= 3 * HOUR:
            skipped = [own_clock + MINUTE * count for count in range(1, behind // MINUTE + 1)]
            due = expression.matches(now) if expression.wild else any(map(expression.matches, skipped))
            own_clock = now
        elif -3 * HOUR < behind <= timedelta(0):
            due = expression.wild and expression.matches(now)
        else:
            due = expression.matches(now)
            own_clock = now
        if due:
            fired.append(moment)
    return fired


@given(EXPRESSIONS, INSTANTS)
@examples(60)
def test_no_matching_minute_is_left_out_and_no_other_is_taken(expression: Expression, start: datetime) -> None:
    end = start + timedelta(days=2)
    expected = [minute for minute in minutes_between(start, end) if expression.matches(minute)]
    assert fired_between(expression.text, "UTC", start, end) == expected


@given(EXPRESSIONS, INSTANTS)
@examples(60)
def test_the_next_fire_time_is_the_first_match_however_far(expression: Expression, start: datetime) -> None:
    fire_time = parse_schedule(expression.text).next_after(start)
    assert fire_time is not None
    assert fire_time > start
    assert expression.matches(fire_time)
    hours, minutes = expression.hour.values, expression.minute.values
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= fire_time:
        if expression.matches(day.replace(hour=min(hours), minute=min(minutes))):
            matches = (day.replace(hour=hour, minute=minute) for hour in hours for minute in minutes)
            assert not [match for match in matches if start < match < fire_time]
        day += timedelta(days=1)


@given(DAILY, st.sampled_from(CHANGES))
@examples(150)
def test_clock_changes_are_met_as_the_cron_daemon_meets_them(expression: Expression, change: tuple[str, str]) -> None:
    zone, instant = change
    start, end = datetime.fromisoformat(instant) - 30 * HOUR, datetime.fromisoformat(instant) + 30 * HOUR
    expected = fired_by_the_daemon(expression, ZoneInfo(zone), start, end)
    assert fired_between(expression.text, zone, start, end) == expected


@given(EXPRESSIONS, ZONES, INSTANTS, st.data())
def test_every_instant_before_a_fire_time_leads_to_it(
    expression: Expression, zone: str, start: datetime, data: st.DataObject
) -> None:
    schedule = parse_schedule(expression.text, zone)
    fire_time = schedule.next_after(start)
    assert fire_time is not None
    assert start < fire_time
    between = data.draw(st.timedeltas(timedelta(0), fire_time - start - timedelta.resolution))
    assert schedule.next_after(start + between) == fire_time


@given(EXPRESSIONS, ZONES, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_later_instant_never_has_an_earlier_fire_time(
    expression: Expression, zone: str, start: datetime, later: timedelta
) -> None:
    schedule = parse_schedule(expression.text, zone)
    first, second = schedule.next_after(start), schedule.next_after(start + later)
    assert first is not None
    assert second is not None
    assert first <= second


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=400)), INSTANTS, INSTANTS)
def test_a_period_fires_at_the_first_multiple_later_than_now(
    period: timedelta, last_fire: datetime, now: datetime
) -> None:
    fire_time = PeriodicSchedule(period).next_after(now, last_fire)
    assert fire_time > max(now, last_fire)
    assert (fire_time - last_fire) % period == timedelta(0)
    assert fire_time - period <= max(now, last_fire)
