"""What comes and goes with every attempt does not set Python's collector of cycles going."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

from app.execution.outcome import NEVER_BEGUN, ending_of
from app.store.queue import Claim


def test_claims_endings_and_lines_are_not_tracked() -> None:
    claim = Claim("s", "c", uuid4(), 1, 0, 3, False, datetime.now(UTC), 0)  # noqa: FBT003 - in the order of the columns
    ending = ending_of(claim, NEVER_BEGUN, line=1, seconds=0, rng=Random())  # noqa: S311 - jitter
    assert not any(map(gc.is_tracked, (claim, ending, ending.lines[0])))
