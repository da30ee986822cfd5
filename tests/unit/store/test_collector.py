"""What comes and goes with every attempt does not set Python's collector of cycles going."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Final
from uuid import uuid4

from app.domain.claim import Claim
from app.execution.outcome import NEVER_STARTED, ending_of
from app.store.log import LineBlock

# Py_TPFLAGS_HAVE_GC: the collector counts what is made of such a type, even where it has no need to track it.
_COUNTED: Final = 1 << 14


def test_claims_endings_and_lines_are_not_counted() -> None:
    claim = Claim("s", "c", uuid4(), 1, 1, 0, 3, False, datetime.now(UTC), 0)  # noqa: FBT003 - in the order of the columns
    ending = ending_of(claim, NEVER_STARTED, line=1, seconds=0, rng=Random())  # noqa: S311 - jitter
    block = LineBlock.of(1, 0.0, "info", ["x"])
    assert not any(type(made).__flags__ & _COUNTED for made in (claim, ending, block, block.lines()[0]))
