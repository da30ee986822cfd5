"""The arithmetic of windows of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.windows import Length, Windows

LENGTHS: list[Length] = list(get_args(Length))
LONGEST = {"hour": 1, "day": 24, "week": 7 * 24, "month": 31 * 24, "quarter": 92 * 24, "year": 366 * 24}
SHORTEST = {"hour": 1, "day": 24, "week": 7 * 24, "month": 28 * 24, "quarter": 90 * 24, "year": 365 * 24}


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    length = draw(st.sampled_from(LENGTHS))
    start = draw(st.dates(date(1970, 1, 1), date(2100, 1, 1)))
    most = timedelta(hours=50 * LONGEST.get(length, 24))
    now = datetime.combine(start, datetime.min.time(), UTC) + draw(st.timedeltas(timedelta(), most))
    return Windows(length, start, now, draw(st.floats(0, 10 * 24 * 3600)))


@given(windows())
def test_windows_tile_the_time_from_the_first_day_to_now(given_: Windows) -> None:
    found = list(given_.all())
    begin = datetime.combine(given_.start, datetime.min.time(), UTC)
    assert found[0].start <= begin < found[0].end
    assert found[-1].start <= given_.now < found[-1].end
    assert all(before.end == after.start for before, after in pairwise(found))
    if given_.length == "all":
        assert len(found) == 1
        return
    hours = [(window.end - window.start) / timedelta(hours=1) for window in found]
    assert all(SHORTEST[given_.length] <= hour <= LONGEST[given_.length] for hour in hours)


@given(windows())
def test_the_windows_of_a_later_start_are_among_those_of_an_earlier_one(given_: Windows) -> None:
    if given_.length == "all":
        return
    later = Windows(given_.length, given_.now.date(), given_.now)
    assert set(later.all()) <= set(given_.all())


@given(windows())
def test_what_may_change_is_a_row_of_windows_up_to_now(given_: Windows) -> None:
    changes = [given_.may_change(window) for window in given_.all()]
    assert changes == sorted(changes)
    assert changes[-1]
    settled = [window for window in given_.all() if not given_.may_change(window)]
    assert all(window.start <= given_.now - timedelta(seconds=given_.refresh_seconds) for window in settled)


@pytest.mark.parametrize(
    ("length", "first", "last"),
    [
        ("hour", "2023-11-15T00:00:00Z/2023-11-15T01:00:00Z", "2024-02-29T12:00:00Z/2024-02-29T13:00:00Z"),
        ("day", "2023-11-15T00:00:00Z/2023-11-16T00:00:00Z", "2024-02-29T00:00:00Z/2024-03-01T00:00:00Z"),
        ("week", "2023-11-13T00:00:00Z/2023-11-20T00:00:00Z", "2024-02-26T00:00:00Z/2024-03-04T00:00:00Z"),
        ("month", "2023-11-01T00:00:00Z/2023-12-01T00:00:00Z", "2024-02-01T00:00:00Z/2024-03-01T00:00:00Z"),
        ("quarter", "2023-10-01T00:00:00Z/2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z/2024-04-01T00:00:00Z"),
        ("year", "2023-01-01T00:00:00Z/2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z/2025-01-01T00:00:00Z"),
        ("all", "2023-11-15T00:00:00Z/2024-03-01T00:00:00Z", "2023-11-15T00:00:00Z/2024-03-01T00:00:00Z"),
    ],
)
def test_each_length_has_its_own_beginnings(length: Length, first: str, last: str) -> None:
    found = list(Windows(length, date(2023, 11, 15), datetime(2024, 2, 29, 12, 30, tzinfo=UTC)).all())
    assert (str(found[0]), str(found[-1])) == (first, last)


def test_there_are_no_windows_before_the_first_day() -> None:
    assert list(Windows("day", date(2024, 1, 2), datetime(2024, 1, 1, 23, tzinfo=UTC)).all()) == []
