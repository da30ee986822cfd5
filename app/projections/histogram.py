"""A histogram of logarithmic buckets: quantiles with a known relative error, out of counts that simply add up.

Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019.
With g = `GAMMA`, bucket i holds the values above g^(i-1) up to g^i, and its estimate 2 g^i / (g + 1) is within
`RELATIVE_ERROR` of each of them. Nothing is ever collapsed: a microsecond and a year are fewer than 800 buckets apart.

The view `reporting.daily_collection_stats` computes the same in SQL; a test holds the two together.
"""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RELATIVE_ERROR: Final = 0.02
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)

# The bucket of the values that are no positive number of microseconds: a clock that was set back makes some.
ZERO: Final = -1

_LOG_GAMMA: Final = log(GAMMA)


def bucket_of(microseconds: int) -> int:
    """The bucket that a value belongs to."""
    return ceil(log(microseconds) / _LOG_GAMMA) if microseconds > 0 else ZERO


def estimate(bucket: int) -> float:
    """The value that stands for a bucket, in microseconds."""
    return 2 * GAMMA**bucket / (GAMMA + 1) if bucket != ZERO else 0.0


def quantile(q: float, counts: Mapping[int, int]) -> float | None:
    """The lower `q`-quantile, in microseconds, of values counted by bucket; None without values."""
    rank = q * (sum(counts.values()) - 1)
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen > rank:
            return estimate(bucket)
    return None
