"""Golden fire times, written as clocks in the schedule's zone show them, with their offset from UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.schedule import parse_schedule

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
SAO_PAULO, ST_JOHNS, KATHMANDU = "America/Sao_Paulo", "America/St_Johns", "Asia/Kathmandu"


def fire_times(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    schedule = parse_schedule(expression, zone)
    times: list[datetime] = []
    for _ in range(count):
        fire_time = schedule.next_after(times[-1] if times else after)
        assert fire_time is not None
        times.append(fire_time)
    return times


def assert_fires(expression: str, zone: str, after: str, expected: list[str]) -> None:
    found = fire_times(expression, zone, datetime.fromisoformat(after), len(expected))
    assert found == [datetime.fromisoformat(time) for time in expected]
    assert all(time.tzinfo is UTC for time in found)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("* * * * *", "2025-01-01T00:00:00.500", ["2025-01-01T00:01", "2025-01-01T00:02"]),
        ("*/5 * * * *", "2024-12-31T23:57:30", ["2025-01-01T00:00", "2025-01-01T00:05"]),
        ("5/20 * * * *", "2025-01-01T00:00", ["2025-01-01T00:05", "2025-01-01T00:25", "2025-01-01T00:45"]),
        ("*/90 * * * *", "2025-01-01T00:00", ["2025-01-01T01:00", "2025-01-01T02:00"]),
        ("1,2,50-52 3 * * *", "2025-01-01T03:02", ["2025-01-01T03:50", "2025-01-01T03:51", "2025-01-01T03:52"]),
        ("10-50/20,0 4 * * *", "2025-01-01T04:00", ["2025-01-01T04:10", "2025-01-01T04:30", "2025-01-01T04:50"]),
        ("0 9-17/4 * * MON-FRI", "2025-06-06T17:00", ["2025-06-09T09:00", "2025-06-09T13:00", "2025-06-09T17:00"]),
        ("0 0 ? * 7", "2025-06-04T00:00", ["2025-06-08T00:00", "2025-06-15T00:00"]),
        ("0 0 ? * 0", "2025-06-04T00:00", ["2025-06-08T00:00", "2025-06-15T00:00"]),
        ("0 0 ? * sat-Sun", "2025-06-04T00:00", ["2025-06-07T00:00", "2025-06-08T00:00", "2025-06-14T00:00"]),
        ("0 0 1 jan,JUL *", "2025-06-04T00:00", ["2025-07-01T00:00", "2026-01-01T00:00"]),
        ("  0\t0  1 * ?  ", "2025-06-04T00:00", ["2025-07-01T00:00", "2025-08-01T00:00"]),
        # Month ends and leap days
        ("0 0 31 * *", "2025-01-31T00:00", ["2025-03-31T00:00", "2025-05-31T00:00", "2025-07-31T00:00"]),
        ("59 23 28-31 * *", "2025-02-27T23:59", ["2025-02-28T23:59", "2025-03-28T23:59"]),
        ("0 0 29 2 *", "2023-01-01T00:00", ["2024-02-29T00:00", "2028-02-29T00:00"]),
        ("0 0 29 2 *", "2096-03-01T00:00", ["2104-02-29T00:00"]),
        ("0 0 29 2 */7", "2088-02-29T00:00", ["2128-02-29T00:00"]),
        # Day of month or day of week; both, where one of them starts with a star
        ("0 12 13 * FRI", "2025-07-05T00:00", ["2025-07-11T12:00", "2025-07-13T12:00", "2025-07-18T12:00"]),
        ("0 12 */2 * FRI", "2025-06-01T00:00", ["2025-06-13T12:00", "2025-06-27T12:00", "2025-07-11T12:00"]),
        ("0 12 1-7 * */7", "2025-06-02T00:00", ["2025-07-06T12:00", "2025-08-03T12:00"]),
        ("0 0 30 2 FRI", "2025-01-30T00:00", ["2025-02-07T00:00", "2025-02-14T00:00"]),
        # Macros
        ("@yearly", "2025-06-01T00:00", ["2026-01-01T00:00", "2027-01-01T00:00"]),
        ("@annually", "2025-06-01T00:00", ["2026-01-01T00:00", "2027-01-01T00:00"]),
        ("@monthly", "2025-06-01T00:00", ["2025-07-01T00:00", "2025-08-01T00:00"]),
        ("@weekly", "2025-06-01T00:00", ["2025-06-08T00:00", "2025-06-15T00:00"]),
        ("@daily", "2025-06-01T00:00", ["2025-06-02T00:00", "2025-06-03T00:00"]),
        ("@midnight", "2025-06-01T00:00", ["2025-06-02T00:00", "2025-06-03T00:00"]),
        ("@hourly", "2025-06-01T00:00", ["2025-06-01T01:00", "2025-06-01T02:00"]),
    ],
)
def test_fire_times_in_utc(expression: str, after: str, expected: list[str]) -> None:
    assert_fires(expression, "UTC", f"{after}Z", [f"{time}Z" for time in expected])


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # Clocks go forward: what the gap swallowed fires once, right after it
        ("30 2 * * *", BERLIN, "2025-03-29T12:00+01:00", ["2025-03-30T03:00+02:00", "2025-03-31T02:30+02:00"]),
        ("0,20,40 2 * * *", BERLIN, "2025-03-30T00:00+01:00", ["2025-03-30T03:00+02:00", "2025-03-31T02:00+02:00"]),
        (
            "0,30 2,3 * * *",
            BERLIN,
            "2025-03-30T00:00+01:00",
            ["2025-03-30T03:00+02:00", "2025-03-30T03:30+02:00", "2025-03-31T02:00+02:00"],
        ),
        ("15 2 * * *", NEW_YORK, "2025-03-08T12:00-05:00", ["2025-03-09T03:00-04:00", "2025-03-10T02:15-04:00"]),
        ("15 2 * * *", LORD_HOWE, "2025-10-04T12:00+10:30", ["2025-10-05T02:30+11:00", "2025-10-06T02:15+11:00"]),
        ("0 0 * * *", SAO_PAULO, "2017-10-14T12:00-03:00", ["2017-10-15T01:00-02:00", "2017-10-16T00:00-02:00"]),
        ("@daily", SAO_PAULO, "2018-11-03T12:00-03:00", ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"]),
        ("0 0 4 11 *", SAO_PAULO, "2018-01-01T00:00-02:00", ["2018-11-04T01:00-02:00", "2019-11-04T00:00-03:00"]),
        ("5 0 * * *", KATHMANDU, "1985-12-31T12:00+05:30", ["1986-01-01T00:15+05:45", "1986-01-02T00:05+05:45"]),
        # Clocks go back: fixed times fire the first time only
        ("30 2 * * *", BERLIN, "2025-10-25T12:00+02:00", ["2025-10-26T02:30+02:00", "2025-10-27T02:30+01:00"]),
        ("30 2 * * *", BERLIN, "2025-10-26T02:10+01:00", ["2025-10-27T02:30+01:00"]),
        ("0 0-23 * * *", BERLIN, "2025-10-26T01:00+02:00", ["2025-10-26T02:00+02:00", "2025-10-26T03:00+01:00"]),
        ("30 1 * * *", NEW_YORK, "2025-11-01T12:00-04:00", ["2025-11-02T01:30-04:00", "2025-11-03T01:30-05:00"]),
        ("30 1 2 11 *", NEW_YORK, "2025-11-02T01:45-04:00", ["2026-11-02T01:30-05:00"]),
        ("45 1 * * *", LORD_HOWE, "2025-04-05T12:00+11:00", ["2025-04-06T01:45+11:00", "2025-04-07T01:45+10:30"]),
        ("30 23 * * *", SAO_PAULO, "2018-02-17T12:00-02:00", ["2018-02-17T23:30-02:00", "2018-02-18T23:30-03:00"]),
        ("0 0 18 2 *", SAO_PAULO, "2018-02-17T00:00-02:00", ["2018-02-18T00:00-03:00"]),
        ("0 0 * * *", ST_JOHNS, "2010-11-06T12:00-02:30", ["2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"]),
        ("30 23 * * *", ST_JOHNS, "2010-11-06T12:00-02:30", ["2010-11-06T23:30-02:30", "2010-11-07T23:30-03:30"]),
        # A star in minute or hour follows real time
        (
            "*/15 * * * *",
            BERLIN,
            "2025-03-30T01:30+01:00",
            ["2025-03-30T01:45+01:00", "2025-03-30T03:00+02:00", "2025-03-30T03:15+02:00"],
        ),
        (
            "*/15 * * * *",
            BERLIN,
            "2025-10-26T02:40+02:00",
            [
                "2025-10-26T02:45+02:00",
                "2025-10-26T02:00+01:00",
                "2025-10-26T02:15+01:00",
                "2025-10-26T02:30+01:00",
                "2025-10-26T02:45+01:00",
                "2025-10-26T03:00+01:00",
            ],
        ),
        ("0 * * * *", BERLIN, "2025-03-30T01:00+01:00", ["2025-03-30T03:00+02:00", "2025-03-30T04:00+02:00"]),
        (
            "0 * * * *",
            BERLIN,
            "2025-10-26T01:30+02:00",
            ["2025-10-26T02:00+02:00", "2025-10-26T02:00+01:00", "2025-10-26T03:00+01:00"],
        ),
        ("0 */2 * * *", BERLIN, "2025-03-30T00:00+01:00", ["2025-03-30T04:00+02:00", "2025-03-30T06:00+02:00"]),
        ("*/15 2 * * *", BERLIN, "2025-03-30T00:00+01:00", ["2025-03-31T02:00+02:00", "2025-03-31T02:15+02:00"]),
        (
            "*/30 2 * * *",
            BERLIN,
            "2025-10-26T02:00+02:00",
            [
                "2025-10-26T02:30+02:00",
                "2025-10-26T02:00+01:00",
                "2025-10-26T02:30+01:00",
                "2025-10-27T02:00+01:00",
            ],
        ),
        (
            "?/20 1 * * *",
            NEW_YORK,
            "2025-11-02T01:20-04:00",
            ["2025-11-02T01:40-04:00", "2025-11-02T01:00-05:00", "2025-11-02T01:20-05:00", "2025-11-02T01:40-05:00"],
        ),
        ("*/30 3 * * *", LORD_HOWE, "2025-10-04T22:30+10:30", ["2025-10-05T03:00+11:00", "2025-10-05T03:30+11:00"]),
        ("*/10 * * * *", LORD_HOWE, "2025-10-05T01:50+10:30", ["2025-10-05T02:30+11:00", "2025-10-05T02:40+11:00"]),
        ("0 * * * *", LORD_HOWE, "2025-04-06T01:00+11:00", ["2025-04-06T02:00+10:30", "2025-04-06T03:00+10:30"]),
        (
            "*/15 1 * * *",
            LORD_HOWE,
            "2025-04-06T01:30+11:00",
            ["2025-04-06T01:45+11:00", "2025-04-06T01:30+10:30", "2025-04-06T01:45+10:30", "2025-04-07T01:00+10:30"],
        ),
        ("*/30 0 * * *", SAO_PAULO, "2017-10-14T12:00-03:00", ["2017-10-16T00:00-02:00", "2017-10-16T00:30-02:00"]),
        (
            "*/30 23 * * *",
            SAO_PAULO,
            "2018-02-17T23:00-02:00",
            ["2018-02-17T23:30-02:00", "2018-02-17T23:00-03:00", "2018-02-17T23:30-03:00", "2018-02-18T23:00-03:00"],
        ),
        (
            "*/30 23 * * *",
            ST_JOHNS,
            "2010-11-06T23:00-02:30",
            ["2010-11-06T23:30-02:30", "2010-11-06T23:30-03:30", "2010-11-07T23:00-03:30"],
        ),
        # Corrections of the calendar are no change of season
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00-10:00", ["2011-12-31T12:00+14:00"]),
        ("30 1 * * *", "Antarctica/Casey", "2020-10-03T12:00+08:00", ["2020-10-05T01:30+11:00"]),
        (
            "30 2 * * *",
            "Antarctica/Casey",
            "2018-03-10T12:00+11:00",
            ["2018-03-11T02:30+11:00", "2018-03-12T02:30+08:00"],
        ),
        # Far from any change
        ("0 0 * * *", KATHMANDU, "2025-01-01T00:00+00:00", ["2025-01-01T18:15+00:00", "2025-01-02T18:15+00:00"]),
        ("0 12 1 1,7 *", BERLIN, "2025-01-01T12:00+01:00", ["2025-07-01T12:00+02:00", "2026-01-01T12:00+01:00"]),
        ("@hourly", KATHMANDU, "2025-01-01T00:00+00:00", ["2025-01-01T00:15+00:00", "2025-01-01T01:15+00:00"]),
    ],
)
def test_fire_times_in_a_zone(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert_fires(expression, zone, after, expected)


@pytest.mark.parametrize(
    "prefix", ["CRON_TZ=America/New_York ", "TZ=America/New_York\t", "  CRON_TZ=America/New_York  "]
)
@pytest.mark.parametrize("body", ["0 6 * * *", "  0 6 * * * "])
def test_a_zone_in_the_expression_wins(prefix: str, body: str) -> None:
    assert_fires(prefix + body, BERLIN, "2025-06-01T00:00Z", ["2025-06-01T10:00Z", "2025-06-02T10:00Z"])


def test_a_macro_takes_a_zone() -> None:
    assert_fires("CRON_TZ=Asia/Kathmandu @daily", "UTC", "2025-01-01T00:00Z", ["2025-01-01T18:15Z"])


def test_the_instant_may_be_in_any_zone_and_the_answer_is_in_utc() -> None:
    assert_fires("0 12 * * *", "UTC", "2025-06-01T13:59+02:00", ["2025-06-01T12:00Z"])


def test_minutes_that_clocks_always_leave_out_never_come() -> None:
    last_sunday_of_march_at_two = parse_schedule("*/10 2 25-31 3 */7", BERLIN)
    assert last_sunday_of_march_at_two.next_after(datetime(2025, 1, 1, tzinfo=UTC)) is None


def test_the_search_ends_with_the_calendar() -> None:
    assert parse_schedule("@yearly").next_after(datetime(9998, 6, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize("expression", ["@daily", "@every 1h"])
def test_a_time_without_a_zone_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        parse_schedule(expression).next_after(datetime(2025, 1, 1))  # noqa: DTZ001 - the point of the test


NOON = datetime(2025, 3, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "last_fire", "instant", "expected"),
    [
        ("@every 90m", None, "12:00", "13:30"),
        ("@every 90m", "12:00", "12:00", "13:30"),
        ("@every 90m", "12:00", "13:29", "13:30"),
        ("@every 90m", "12:00", "13:30", "15:00"),
        ("@every 90m", "12:00", "20:00", "21:00"),
        ("@every 90m", "12:00", "11:00", "13:30"),
        ("@every  1h30m", "12:00", "12:00", "13:30"),
        ("CRON_TZ=Europe/Berlin @every 2h", "12:00", "12:30", "14:00"),
    ],
)
def test_periods_count_from_the_last_fire(expression: str, last_fire: str | None, instant: str, expected: str) -> None:
    def at(time: str) -> datetime:
        return datetime.fromisoformat(f"2025-03-29T{time}Z")

    anchor = at(last_fire) if last_fire else None
    assert parse_schedule(expression).next_after(at(instant), anchor) == at(expected)


def test_periods_do_not_look_at_clocks_on_the_wall() -> None:
    schedule = parse_schedule("CRON_TZ=Europe/Berlin @every 24h")
    assert schedule.next_after(NOON, NOON) == NOON + timedelta(hours=24)


def test_equal_expressions_share_one_schedule() -> None:
    assert parse_schedule("*/7 1-3 * * *", BERLIN) is parse_schedule("*/7 1-3 * * *", BERLIN)
