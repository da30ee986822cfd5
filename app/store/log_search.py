"""Looks for lines in the log of a task, from a place back; a look has a bound, however rare what is looked for is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from app.store.moments import END_OF_TIME
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from app.store.database import Pool

_SQL: Final = load_statements("log_search.sql")
BEFORE_ALL_LINES: Final = (-1, 0)
AFTER_ALL_LINES: Final = (2**15 - 1, 2**31 - 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# So many lines are looked through for a few, or as many as have about so many bytes: a tenth of a second.
_MOST_LOOKED_AT: Final = 20_000
_MOST_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class LogSearch:
    """Lines written up to `end` and before the line `before` (attempt, line).

    `level` takes only the lines of this level, `text` those that have it, in upper or lower case; None all. It is
    looked for in the name of a program and the message that follows it, without `prefix`.
    """

    end: datetime = END_OF_TIME
    before: tuple[int, int] = AFTER_ALL_LINES
    level: str | None = None
    text: str | None = None
    prefix: str = ""

    @property
    def takes_all(self) -> bool:
        return self.level is None and self.text is None


class FoundLines(NamedTuple):
    """Lines in their order, and how far a search for them has come.

    It has looked at `looked_at` lines, from the line `newest` (attempt, line) back to the line `reached`, which is of
    the time `reached_at`; all three are None if there was none to look at. `more` is false if it has looked at all.
    """

    lines: Sequence[asyncpg.Record]
    looked_at: int
    newest: tuple[int, int] | None
    reached: tuple[int, int] | None
    reached_at: datetime | None
    more: bool


async def find_lines(pool: Pool, task: UUID, search: LogSearch, *, limit: int) -> FoundLines:
    """Find the last `limit` lines, or fewer: if `more` is true, go on before `reached`."""
    # One more than is wanted tells whether there are others.
    look_at = limit + 1 if search.takes_all else max(limit + 1, _MOST_LOOKED_AT)
    interval = _EPOCH, search.end
    wanted = limit + 1, search.level, search.text, _MOST_BYTES, search.prefix
    rows = await pool.fetch(_SQL["lines_before"], task, *BEFORE_ALL_LINES, *interval, look_at, *search.before, *wanted)
    if not rows:
        return FoundLines([], 0, None, None, None, more=False)
    lines = [row for row in reversed(rows) if row["line"] is not None]
    first = rows[0]
    more, reached, reached_at = first["more"], (first["first_attempt"], first["first_line"]), first["first_at"]
    if len(lines) > limit:
        lines = lines[-limit:]
        more, reached, reached_at = True, (lines[0]["attempt"], lines[0]["line"]), lines[0]["at"]
    newest = first["last_attempt"], first["last_line"]
    return FoundLines(lines, first["looked_at"], newest, reached, reached_at, more=more)
