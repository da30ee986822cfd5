"""The log lines of attempts: appended in batches, fenced, numbered by the one worker of the attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.failpoints import fail_point
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from app.domain.attempt_protocol import Level
    from app.store.database import Pool
    from app.store.queue import Claim

_SQL: Final = load_statements("log.sql")


class NumberedLine(msgspec.Struct, frozen=True):
    """A line of an attempt's log. `written` is the worker's monotonic clock, in seconds: only its age is stored."""

    line: int
    written: float
    level: Level
    message: str


async def append_lines(
    pool: Pool, worker: UUID, lines: Sequence[tuple[Claim, Sequence[NumberedLine]]], *, now: float, again: bool = False
) -> set[tuple[UUID, int]]:
    """Append lines of several attempts in one statement; with `again` those that are there already are left alone.

    `now` is the reading of the clock that `written` was read from. Returns the (task, attempt) pairs that were refused.
    """
    claims = [claim for claim, _ in lines]
    allowed = await pool.fetch(
        _SQL["append_log"],
        worker,
        [claim.source for claim in claims],
        [claim.collection for claim in claims],
        [claim.task for claim in claims],
        [claim.attempt for claim in claims],
        *line_columns([own for _, own in lines], now=now),
        again,
    )
    fail_point("log.appended")
    written = {row["place"] for row in allowed}
    return {(claim.task, claim.attempt) for place, claim in enumerate(claims, 1) if place not in written}


def line_columns(logs: Sequence[Sequence[NumberedLine]], *, now: float) -> list[list[Any]]:
    """The lines of several attempts as statements take them: lists of places (from 1), numbers, ages, levels, texts."""
    return [
        [place for place, lines in enumerate(logs, 1) for _ in lines],
        [line.line for lines in logs for line in lines],
        [max(0.0, now - line.written) for lines in logs for line in lines],
        [line.level for lines in logs for line in lines],
        [line.message for lines in logs for line in lines],
    ]
