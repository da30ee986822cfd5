"""The delay before a failed attempt is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=10)
_MOST_DOUBLINGS = 30


def retry_delay(
    failure: int, *, rng: Random, first: timedelta = FIRST_DELAY, longest: timedelta = LONGEST_DELAY
) -> timedelta:
    """The delay after the given failure (the first is 1): exponential, capped, with jitter.

    The delay is drawn from the upper half of its range, so that tasks that failed together are not retried together:
    "equal jitter" in the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).

    Raises:
        ValueError: `failure` is less than 1.
    """
    if failure < 1:
        raise ValueError(f"failures are counted from 1, got {failure}")
    delay = min(longest, first * (1 << min(failure - 1, _MOST_DOUBLINGS)))
    return delay / 2 + delay / 2 * rng.random()
