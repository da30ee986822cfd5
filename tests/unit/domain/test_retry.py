from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.retry import FIRST_DELAY, LONGEST_DELAY, retry_delay


class Drawn(Random):
    """Draws always the same number."""

    def __init__(self, number: float) -> None:
        super().__init__(0)
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(
    ("failure", "whole_seconds"),
    [(1, 5), (2, 10), (3, 20), (4, 40), (7, 320), (8, 600), (9, 600), (10_000_000, 600)],
)
def test_delays_double_up_to_ten_minutes(failure: int, whole_seconds: int) -> None:
    whole = timedelta(seconds=whole_seconds)
    assert retry_delay(failure, rng=Drawn(1.0)) == whole
    assert retry_delay(failure, rng=Drawn(0.0)) == whole / 2
    assert retry_delay(failure, rng=Drawn(0.5)) == whole * 3 / 4


@given(failure=st.integers(1, 1000), seed=st.integers())
def test_a_delay_stays_within_its_bounds(failure: int, seed: int) -> None:
    delay = retry_delay(failure, rng=Random(seed))  # noqa: S311 - nothing secret
    assert FIRST_DELAY / 2 <= delay <= LONGEST_DELAY


def test_tasks_that_failed_together_come_back_apart() -> None:
    rng = Random(1)  # noqa: S311 - nothing secret
    assert len({retry_delay(3, rng=rng) for _ in range(100)}) > 90


def test_failures_count_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        retry_delay(0, rng=Drawn(0.5))
