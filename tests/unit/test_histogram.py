"""The histogram's promises: known error, exact addition, and estimates in the order of the values."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from app.projections.histogram import RELATIVE_ERROR, ZERO, bucket_of, estimate, quantile

YEAR = timedelta(days=366) // timedelta(microseconds=1)
DURATIONS = st.integers(min_value=1, max_value=YEAR)


@given(DURATIONS)
def test_the_estimate_of_a_value_is_within_the_relative_error(value: int) -> None:
    assert abs(estimate(bucket_of(value)) - value) <= RELATIVE_ERROR * value * (1 + 1e-9)


@given(st.lists(DURATIONS, min_size=1), st.floats(min_value=0, max_value=1))
def test_a_quantile_is_within_the_relative_error_of_the_exact_one(values: list[int], q: float) -> None:
    found = quantile(q, Counter(map(bucket_of, values)))
    exact = sorted(values)[floor(q * (len(values) - 1))]
    assert found is not None
    assert abs(found - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9)


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_histograms_of_parts_add_up_to_the_histogram_of_all(one: list[int], other: list[int]) -> None:
    together = Counter(map(bucket_of, one)) + Counter(map(bucket_of, other))
    assert together == Counter(map(bucket_of, one + other))


@given(DURATIONS, DURATIONS)
def test_a_larger_value_never_stands_in_a_lower_bucket(one: int, other: int) -> None:
    assert (one <= other) <= (bucket_of(one) <= bucket_of(other))


def test_what_is_no_positive_number_counts_as_zero() -> None:
    assert bucket_of(0) == bucket_of(-5) == ZERO
    assert quantile(0.5, {ZERO: 3, bucket_of(10): 1}) == 0.0


def test_a_microsecond_and_a_year_are_fewer_than_800_buckets_apart() -> None:
    assert bucket_of(YEAR) - bucket_of(1) < 800


def test_there_is_no_quantile_without_values() -> None:
    assert quantile(0.5, {}) is None
