"""The log lines of attempts: appended in batches, fenced, numbered by the one worker of the attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.failpoints import fail_point
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from app.domain.attempt_protocol import Level
    from app.store.database import Pool
    from app.store.queue import Claim

_SQL: Final = load_statements("log.sql")


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """A line of an attempt's log. `written` is the worker's monotonic clock, in seconds: only its age is stored."""

    line: int
    written: float
    level: Level
    message: str


async def append_lines(
    pool: Pool, worker: UUID, lines: Sequence[tuple[Claim, Sequence[NumberedLine]]], *, now: float
) -> set[tuple[UUID, int]]:
    """Append lines of several attempts in one statement; sent again, it changes nothing.

    `now` is the reading of the clock that `written` was read from. Returns the (task, attempt) pairs that were refused.
    """
    claims = [claim for claim, _ in lines]
    flat = [(place, line) for place, (_, own) in enumerate(lines, 1) for line in own]
    allowed = await pool.fetch(
        _SQL["append_log"],
        worker,
        [claim.source for claim in claims],
        [claim.collection for claim in claims],
        [claim.task for claim in claims],
        [claim.attempt for claim in claims],
        [place for place, _ in flat],
        [line.line for _, line in flat],
        [timedelta(seconds=max(0.0, now - line.written)) for _, line in flat],
        [line.level for _, line in flat],
        [line.message for _, line in flat],
    )
    fail_point("log.appended")
    written = {row["place"] for row in allowed}
    return {(claim.task, claim.attempt) for place, claim in enumerate(claims, 1) if place not in written}
