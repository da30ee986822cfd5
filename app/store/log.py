"""The log lines of attempts: appended in batches, fenced, and numbered by the worker that runs the attempt."""

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
# PostgreSQL cannot store this character, so no message contains it.
_SEPARATOR: Final = "\0"
# Lines written within this time share a block, and its timestamp.
_SAME_MOMENT_SECONDS: Final = 0.001


class LineBlock(msgspec.Struct, frozen=True, gc=False):
    """`count` consecutive lines of one log that were written together, numbered from `first`.

    `written` and `system` are as in `NumberedLine`. `text` has all messages, separated by NUL: cheaper to keep and to
    send than one object per line.
    """

    first: int
    count: int
    written: float
    level: Level
    text: str
    system: str | None = None

    @classmethod
    def of(
        cls,
        first: int,
        written: float,
        level: Level,
        messages: Sequence[str],
        *,
        prefix: str = "",
        system: str | None = None,
    ) -> LineBlock:
        """Make a block of one or more messages, none with a NUL, each preceded by `prefix`."""
        return cls(first, len(messages), written, level, prefix + (_SEPARATOR + prefix).join(messages), system)

    @property
    def characters(self) -> int:
        """The length of all messages, without separators."""
        return len(self.text) - len(_SEPARATOR) * (self.count - 1)

    def lines(self) -> list[NumberedLine]:
        """Split the block into its lines."""
        messages = enumerate(self.text.split(_SEPARATOR), self.first)
        return [NumberedLine(number, self.written, self.level, message, self.system) for number, message in messages]


def join_blocks(blocks: Iterable[LineBlock]) -> list[LineBlock]:
    """Join consecutive blocks of one log with the same level and system that were written within a millisecond.

    In a statement, a block costs client and server more than a line in it.
    """
    runs: list[list[LineBlock]] = []
    for block in blocks:
        if runs and _may_join(runs[-1][0], block):
            runs[-1].append(block)
        else:
            runs.append([block])
    return [
        LineBlock(
            run[0].first,
            sum(block.count for block in run),
            run[0].written,
            run[0].level,
            _SEPARATOR.join(block.text for block in run),
            run[0].system,
        )
        for run in runs
    ]


def _may_join(first: LineBlock, block: LineBlock) -> bool:
    same = block.level == first.level and block.system == first.system
    return same and block.written - first.written < _SAME_MOMENT_SECONDS


async def append_lines(
    pool: Pool, worker: UUID, logs: Sequence[tuple[Claim, Sequence[LineBlock]]], *, now: float, again: bool = False
) -> set[tuple[UUID, int]]:
    """Append lines of several attempts in one statement; with `again`, skip lines that are already stored.

    `now` is a reading of the same clock as `written`. Returns the keys of the claims that were refused.
    """
    claims = [claim for claim, _ in logs]
    rows = await pool.fetch(
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
    allowed = {row["ordinal"] for row in rows}
    return {claim.key for ordinal, claim in enumerate(claims, 1) if ordinal not in allowed}


def _block_columns(logs: Sequence[Sequence[LineBlock]], *, now: float) -> list[list[Any]]:
    """The blocks of several attempts as columns of `append_log`.

    Lists of ordinals (from 1), first numbers, last numbers, ages, levels, messages, systems. The messages of a block
    are one array literal: asyncpg visits each element of an array several times, but a text only once.
    """
    return [
        [ordinal for ordinal, blocks in enumerate(logs, 1) for _ in blocks],
        [block.first for blocks in logs for block in blocks],
        [block.first + block.count - 1 for blocks in logs for block in blocks],
        [max(0.0, now - block.written) for blocks in logs for block in blocks],
        [block.level for blocks in logs for block in blocks],
        [_array_literal(block.text) for blocks in logs for block in blocks],
        [block.system for blocks in logs for block in blocks],
    ]


def _array_literal(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace(_SEPARATOR, '","')
    return f'{{"{quoted}"}}'


def line_columns(logs: Sequence[Sequence[NumberedLine]], *, now: float) -> list[list[Any]]:
    """The lines of several attempts as columns: ordinals (from 1), line numbers, ages, levels, messages, systems."""
    return [
        [ordinal for ordinal, lines in enumerate(logs, 1) for _ in lines],
        [line.line for lines in logs for line in lines],
        [max(0.0, now - line.written) for lines in logs for line in lines],
        [line.level for lines in logs for line in lines],
        [line.message for lines in logs for line in lines],
        [line.system for lines in logs for line in lines],
    ]
