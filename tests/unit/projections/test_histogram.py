"""The histogram's promises: known error, exact addition, and buckets in the order of the values."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.projections.histogram import GAMMA, RELATIVE_ERROR, ZERO, bucket_of

YEAR = timedelta(days=366) // timedelta(microseconds=1)
DURATIONS = st.integers(min_value=1, max_value=YEAR)


@given(DURATIONS)
def test_the_estimate_of_a_bucket_is_within_the_relative_error_of_its_values(value: int) -> None:
    estimate = 2 * GAMMA ** bucket_of(value) / (GAMMA + 1)
    assert abs(estimate - value) <= RELATIVE_ERROR * value * (1 + 1e-9)


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_histograms_of_parts_add_up_to_the_histogram_of_all(one: list[int], other: list[int]) -> None:
    together = Counter(map(bucket_of, one)) + Counter(map(bucket_of, other))
    assert together == Counter(map(bucket_of, one + other))


@given(DURATIONS, DURATIONS)
def test_a_larger_value_never_stands_in_a_lower_bucket(one: int, other: int) -> None:
    assert (one <= other) <= (bucket_of(one) <= bucket_of(other))


def test_what_is_no_positive_number_counts_as_zero() -> None:
    assert bucket_of(0) == bucket_of(-5) == ZERO


def test_a_microsecond_and_a_year_are_fewer_than_800_buckets_apart() -> None:
    assert bucket_of(YEAR) - bucket_of(1) < 800
