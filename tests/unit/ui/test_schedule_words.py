"""Schedules in words, and when they fire next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from app.ui.schedule_words import next_fire_times, schedule_in_words
from tests.cron_expressions import EXPRESSIONS, Expression


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 * * 1-5", "At 09:00, Monday through Friday"),
        ("CRON_TZ=Europe/Berlin 0 9 * * 1-5", "At 09:00, Monday through Friday"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 0 1 * 1", "At 00:00, on day 1 of the month, or on Monday"),
        ("@daily", "At 00:00"),
        ("TZ=UTC @hourly", "Every hour"),
        ("@every 90m", "Every 1 h 30 min"),
    ],
)
def test_a_schedule_is_said_in_words(expression: str, words: str) -> None:
    assert schedule_in_words(expression) == words


@given(EXPRESSIONS)
def test_there_are_words_for_every_expression(expression: Expression) -> None:
    assert schedule_in_words(expression.text) != expression.text


def test_fire_times_are_shown_in_both_zones_and_a_day_with_a_change_of_the_clocks_is_marked() -> None:
    first = datetime(2026, 10, 24, 7, 0, tzinfo=UTC)
    times = [*next_fire_times("0 9 * * *", "Europe/Berlin", first, 3)]
    assert [f"{each.at:%d %H:%M}" for each in times] == ["24 07:00", "25 08:00", "26 08:00"]
    assert [f"{each.local:%d %H:%M %Z}" for each in times] == ["24 09:00 CEST", "25 09:00 CET", "26 09:00 CET"]
    assert [each.clocks_change for each in times] == [False, True, False]


def test_in_utc_one_zone_is_enough() -> None:
    first = datetime(2026, 10, 24, 7, 0, tzinfo=UTC)
    assert [each.local for each in next_fire_times("0 7 * * *", "UTC", first, 2)] == [None, None]
    periodic = [*next_fire_times("@every 1h", "Europe/Berlin", first, 2)]
    assert [each.at for each in periodic] == [first, first + timedelta(hours=1)]
    assert periodic[0].local is None


def test_a_schedule_that_no_worker_has_seen_has_no_next_time() -> None:
    assert [*next_fire_times("@daily", "UTC", None, 5)] == []
