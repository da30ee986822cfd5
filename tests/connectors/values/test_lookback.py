"""What lies a length of time before a cursor value, in the form of that value."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.connectors.values.lookback import earlier

TEN_MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime.fromisoformat("2024-03-01 00:05:00.25"), datetime.fromisoformat("2024-02-29 23:55:00.25")),
        (datetime(2024, 3, 1, 0, 5, tzinfo=UTC), datetime(2024, 2, 29, 23, 55, tzinfo=UTC)),
        (date(2024, 3, 1), date(2024, 2, 29)),
        ("2024-03-01 00:05:00.123456789+00", "2024-02-29 23:55:00.123456789+00"),
        ("2024-03-01T00:05:00.5Z", "2024-02-29T23:55:00.5Z"),
        ("2024-03-01T00:05:00+05:30", "2024-02-29T23:55:00+05:30"),
        ("2024-03-01 00:05:00 UTC", "2024-02-29 23:55:00 UTC"),
        ("2024-03-01T00:05", "2024-02-29T23:55"),
        ("2024-03-01", "2024-02-29"),
        ("0001-01-01 00:05:00", None),
        (date(1, 1, 1), None),
    ],
)
def test_a_value_goes_back_and_keeps_its_form(value: Any, expected: Any) -> None:
    assert earlier(value, TEN_MINUTES) == expected


def test_part_of_a_second_or_of_a_day_counts_as_a_whole_one_where_nothing_smaller_is_written() -> None:
    assert earlier("2024-03-01T00:05:00", timedelta(seconds=1.5)) == "2024-03-01T00:04:58"
    assert earlier("2024-03-01T00:05", timedelta(seconds=30)) == "2024-03-01T00:04"
    assert earlier("2024-03-10", timedelta(days=1, seconds=1)) == "2024-03-08"


@pytest.mark.parametrize(
    "value", [7, "7", "pending", "2024-02-30", "2024-03-01 25:00:00", "0044-03-15 00:00:00 BC", "20000-01-01", b"x"]
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the caller says what is wrong
        earlier(value, TEN_MINUTES)
