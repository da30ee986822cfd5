"""How the texts of parameters become values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.documents.fields import format_time
from app.api.http.parameters import (
    LARGEST_ATTEMPT,
    LARGEST_LIMIT,
    read_boolean,
    read_limit,
    read_name,
    read_position,
    read_status,
    up_to,
)
from app.domain.task import Status
from app.domain.timestamp import read_time
from app.store.queries import PAGE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-05-26T15:30:41Z", datetime(2021, 5, 26, 15, 30, 41, tzinfo=UTC)),
        ("2021-05-26t15:30:41z", datetime(2021, 5, 26, 15, 30, 41, tzinfo=UTC)),
        ("2021-05-26 15:30:41.5Z", datetime(2021, 5, 26, 15, 30, 41, 500_000, tzinfo=UTC)),
        ("2021-05-26T15:30:41.040Z", datetime(2021, 5, 26, 15, 30, 41, 40_000, tzinfo=UTC)),
        ("2021-05-26T15:30:41.123456789Z", datetime(2021, 5, 26, 15, 30, 41, 123_456, tzinfo=UTC)),
        ("2021-05-26T15:30:41+05:45", datetime(2021, 5, 26, 9, 45, 41, tzinfo=UTC)),
        ("2021-05-26T15:30:41 05:45", datetime(2021, 5, 26, 9, 45, 41, tzinfo=UTC)),
        ("2021-05-26T15:30:41-23:59", datetime(2021, 5, 27, 15, 29, 41, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_rfc_3339_writes_it(text: str, expected: datetime) -> None:
    assert read_time(text) == expected
    assert read_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("yesterday", "2021-05-26", "2021-05-26T15:30:41", "2021-05-26T15:30Z", "1622043041", "\0", " "),
        *(
            "2021-05-26T15:30:41.Z",
            "2021-05-26T15:30:41.1234567890Z",
            "2021-05-26T15:30:41+0545",
            "2021-5-26T15:30:41Z",
        ),
        *("2021-02-29T00:00:00Z", "2021-05-26T24:00:00Z", "2021-05-26T15:60:00Z", "2021-05-26T15:30:61Z"),
        *(
            "2021-05-26T15:30:41+24:00",
            "2021-05-26T15:30:41+00:60",
            "2021-05-26T15:30:41Z\n",
            "\uff12021-05-26T15:30:41Z",  # a full-width digit
        ),
        *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z"),
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        read_time(text)


def test_a_boolean_is_true_or_false() -> None:
    assert [read_boolean(text) for text in ("true", "false")] == [True, False]


@pytest.mark.parametrize("text", ["True", "TRUE", "1", "0", "yes", "on", "true ", " true", "null", "truefalse"])
def test_nothing_else_is_a_boolean(text: str) -> None:
    with pytest.raises(ValueError, match="not a boolean"):
        read_boolean(text)


@given(
    time=st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001 - made aware below
    minutes=st.integers(-1439, 1439),
)
def test_what_python_writes_is_read_back(time: datetime, minutes: int) -> None:
    aware = time.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for text in (aware.isoformat(), aware.isoformat().replace("+", " ")):
        assert read_time(text) == aware


def test_a_limit_is_a_count() -> None:
    assert [read_limit(text) for text in ("0", "7", "007", str(LARGEST_LIMIT))] == [0, 7, 7, LARGEST_LIMIT]
    for text in ("-1", "+1", " 1", "1.0", "1e3", "٣", "", "9" * 5000, str(LARGEST_LIMIT + 1)):
        with pytest.raises(ValueError, match=r".*"):
            read_limit(text)


def test_a_status_is_read_in_any_case() -> None:
    assert {read_status(text) for text in ("failed", "FAILED", "Failed")} == {Status.FAILED}
    with pytest.raises(ValueError, match=r".*"):
        read_status("done")


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
def test_what_postgresql_cannot_hold_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_name(text)


TIMES = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.integers(0, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from("Tt _"),
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 62),
    st.just("") | st.integers(0, 10**9).map(".{}".format),
    st.just("Z") | st.builds("{}{:02}:{:02}".format, st.sampled_from("+- "), st.integers(0, 25), st.integers(0, 61)),
)


@given(TIMES | st.text(max_size=40))
def test_any_text_is_a_time_that_can_be_written_again_or_none(text: str) -> None:
    try:
        time = read_time(text)
    except (ValueError, OverflowError):
        return
    assert time.tzinfo is UTC
    assert read_time(format_time(time)) == time


@given(time=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), minutes=st.integers(-1439, 1439))  # noqa: DTZ001
def test_a_leap_second_is_the_first_moment_after_it_in_any_zone(time: datetime, minutes: int) -> None:
    before = time.replace(second=59, microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    written = before.isoformat()
    assert read_time(written[:17] + "60" + written[19:]) == before + timedelta(seconds=1)


def test_a_tail_is_a_count_that_fits_into_one_page() -> None:
    assert [up_to(PAGE)(text) for text in ("1", "100", "1000")] == [1, 100, 1000]
    for text in ("0", "1001", "-1", "x", ""):
        with pytest.raises(ValueError, match="not a"):
            up_to(PAGE)(text)


def test_a_position_is_an_attempt_and_a_line_of_it() -> None:
    assert read_position("2.17") == (2, 17)
    assert read_position("0.0") == (0, 0)
    assert read_position("99999.9999999999") == (LARGEST_ATTEMPT, LARGEST_LIMIT)
    for text in ("2", "2.", ".17", "2.17.1", "-1.2", "2,17", " 2.17", "2.17\n", "100000.1", "1.10000000000"):
        with pytest.raises(ValueError, match="not a position"):
            read_position(text)
