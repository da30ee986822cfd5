"""What every benchmark shares: its sizes, its sides, and how it is started.

A benchmark is a module with a function that measures and returns a `Report`; `main` makes a program of it:

    .venv/bin/python -m benchmarks.drain                           # the sizes that docs/benchmarks.md quotes
    .venv/bin/python -m benchmarks.drain --small                   # seconds, to see that it works
    .venv/bin/python -m benchmarks.drain --sides syncline,pg-boss  # not every peer
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from benchmarks.report import RESULTS, TRIED, publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.report import Report

# Modules of this package, in the order in which `make bench` runs them and the page shows them.
BENCHMARKS: Final = (
    "drain",
    "pickup",
    "post_tasks",
    "notices",
    "storage",
    "log_lines",
    "loading",
    "targets",
    "databases",
    "big_tables",
    "taps",
    "attempts",
    "fleet",
    "schedules",
    "idle",
    "reads",
    "growth",
    "as_of",
    "feed",
    "ui",
    "rebuild",
)


@dataclass(frozen=True, slots=True)
class Size:
    """A number that is smaller when the benchmark is only tried."""

    full: int
    small: int

    @property
    def value(self) -> int:
        return self.small if _arguments().small else self.full


def is_wanted(side: str) -> bool:
    """Whether this run is to measure the side."""
    wanted = _arguments().sides
    return wanted is None or side in wanted


def main(measure: Callable[[], Report]) -> None:
    """Measure and publish."""
    arguments = _arguments()
    publish(measure(), TRIED if arguments.small or arguments.sides else RESULTS)


@cache
def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="small sizes and few repetitions, to see that it works")
    parser.add_argument("--sides", type=lambda names: names.split(","), help="only these sides, separated by commas")
    return parser.parse_args()
