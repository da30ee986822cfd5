"""Intervals of time as backfills load them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import ConfigurationError
from app.domain.interval import Interval

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds


@given(st.lists(MOMENTS, min_size=2, max_size=2, unique=True), st.floats(0.001, 50))
def test_pieces_tile_the_interval_without_gap_or_overlap(moments: list[datetime], parts: float) -> None:
    interval = Interval.between(min(moments), max(moments))
    length = max(timedelta(microseconds=1), (interval.end - interval.start) / min(parts, 50))
    pieces = list(interval.pieces(length))
    assert (pieces[0].start, pieces[-1].end) == (interval.start, interval.end)
    assert all(before.end == after.start for before, after in pairwise(pieces))
    assert all(timedelta() < piece.end - piece.start <= length for piece in pieces)


@given(st.lists(MOMENTS, min_size=2, max_size=2, unique=True))
def test_an_interval_is_read_again_as_it_was_written(moments: list[datetime]) -> None:
    interval = Interval.between(min(moments), max(moments))
    assert Interval.parse(str(interval)) == interval


def test_an_interval_is_in_utc_and_has_a_length() -> None:
    berlin = timezone(timedelta(hours=1))
    interval = Interval.between(datetime(2024, 1, 1, 1, tzinfo=berlin), datetime(2024, 2, 1, tzinfo=UTC))
    assert str(interval) == "2024-01-01T00:00:00Z/2024-02-01T00:00:00Z"
    with pytest.raises(
        ConfigurationError, match=r"the end .2024-02-01T00:00:00Z. must be after the start .2024-02-01T00:00:00Z."
    ):
        Interval.between(interval.end, interval.end)
