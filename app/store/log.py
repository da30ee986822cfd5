"""The log lines of attempts: appended in batches, fenced, numbered by the one worker of the attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.domain.claim import NumberedLine
from app.failpoints import fail_point
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from app.domain.attempt_protocol import Level
    from app.domain.claim import Claim
    from app.store.database import Pool

_SQL: Final = load_statements("log.sql")
# No text that PostgreSQL can hold has it in it.
_BETWEEN: Final = "\0"
# Lines that a child writes one by one become blocks; their times are true to this.
_SAME_MOMENT_SECONDS: Final = 0.001


class LineBlock(msgspec.Struct, frozen=True, gc=False):
    """Lines of one log that follow each other and were written together: numbers `first`, `first` + 1, … (`count`).

    `written` is as of a `NumberedLine`. `text` is all messages with a NUL between two, which is cheaper to keep and to
    send than an object for each.
    """

    first: int
    count: int
    written: float
    level: Level
    text: str

    @classmethod
    def of(cls, first: int, written: float, level: Level, messages: Sequence[str], *, prefix: str = "") -> LineBlock:
        """The block of these messages (one or more, none with a NUL), each after `prefix`."""
        return cls(first, len(messages), written, level, prefix + (_BETWEEN + prefix).join(messages))

    @property
    def characters(self) -> int:
        """Of all messages; the same before and after blocks are joined."""
        return len(self.text) - len(_BETWEEN) * (self.count - 1)

    def lines(self) -> list[NumberedLine]:
        """Each line by itself."""
        messages = enumerate(self.text.split(_BETWEEN), self.first)
        return [NumberedLine(number, self.written, self.level, message) for number, message in messages]


def join_blocks(blocks: Iterable[LineBlock]) -> list[LineBlock]:
    """Blocks of one log that follow each other as few: of one level and written within a millisecond are one.

    Each block of a statement costs both sides more than a line in it.
    """
    runs: list[list[LineBlock]] = []
    for block in blocks:
        if runs and block.level == runs[-1][0].level and block.written - runs[-1][0].written < _SAME_MOMENT_SECONDS:
            runs[-1].append(block)
        else:
            runs.append([block])
    return [
        LineBlock(
            run[0].first,
            sum(block.count for block in run),
            run[0].written,
            run[0].level,
            _BETWEEN.join(block.text for block in run),
        )
        for run in runs
    ]


async def append_lines(
    pool: Pool, worker: UUID, logs: Sequence[tuple[Claim, Sequence[LineBlock]]], *, now: float, again: bool = False
) -> set[tuple[UUID, int]]:
    """Append lines of several attempts in one statement; with `again` those that are there already are left alone.

    `now` is the reading of the clock that `written` was read from. Returns the keys of the claims that were refused.
    """
    claims = [claim for claim, _ in logs]
    allowed = await pool.fetch(
        _SQL["append_log"],
        worker,
        [claim.source for claim in claims],
        [claim.collection for claim in claims],
        [claim.task for claim in claims],
        [claim.attempt for claim in claims],
        [claim.number for claim in claims],
        *_block_columns([blocks for _, blocks in logs], now=now),
        again,
    )
    fail_point("log.appended")
    written = {row["place"] for row in allowed}
    return {claim.key for place, claim in enumerate(claims, 1) if place not in written}


def _block_columns(logs: Sequence[Sequence[LineBlock]], *, now: float) -> list[list[Any]]:
    """The blocks of several attempts as `append_log` takes them.

    Lists of places (from 1), first numbers, last numbers, ages, levels, and texts that are arrays as PostgreSQL writes
    them: asyncpg looks at each element of an array several times, and at a text once.
    """
    return [
        [place for place, blocks in enumerate(logs, 1) for _ in blocks],
        [block.first for blocks in logs for block in blocks],
        [block.first + block.count - 1 for blocks in logs for block in blocks],
        [max(0.0, now - block.written) for blocks in logs for block in blocks],
        [block.level for blocks in logs for block in blocks],
        [_array(block.text) for blocks in logs for block in blocks],
    ]


def _array(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace(_BETWEEN, '","')
    return f'{{"{quoted}"}}'


def line_columns(logs: Sequence[Sequence[NumberedLine]], *, now: float) -> list[list[Any]]:
    """The lines of several attempts as statements take them: lists of places (from 1), numbers, ages, levels, texts."""
    return [
        [place for place, lines in enumerate(logs, 1) for _ in lines],
        [line.line for lines in logs for line in lines],
        [max(0.0, now - line.written) for lines in logs for line in lines],
        [line.level for lines in logs for line in lines],
        [line.message for lines in logs for line in lines],
    ]
