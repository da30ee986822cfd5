"""The buckets of logarithmic histograms: mergeable counts that give quantiles with a known relative error.

Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019.
With g = `GAMMA`, bucket i holds the values above g^(i-1) up to g^i, and its estimate 2 g^i / (g + 1) is within
`RELATIVE_ERROR` of each of them. Buckets are never merged: from a microsecond to a year there are fewer than 800.

The view `reporting.daily_collection_stats` computes the quantiles; a test checks the error.
"""

from __future__ import annotations

from math import ceil, log
from typing import Final

RELATIVE_ERROR: Final = 0.02
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)

# The bucket of zero and negative values, which occur if a clock is set back.
ZERO: Final = -1

LOG_GAMMA: Final = log(GAMMA)


def bucket_of(microseconds: int) -> int:
    """The bucket that a value belongs to."""
    return ceil(log(microseconds) / LOG_GAMMA) if microseconds > 0 else ZERO
