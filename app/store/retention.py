"""Retention: what is old enough goes, partition by partition, and what must stay is folded together.

The rules are the database's: see the functions of migration 0005 and docs/decisions/0013-retention.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from app.store.queries import load_statements

if TYPE_CHECKING:
    from datetime import timedelta

    from app.store.database import Pool

_SQL: Final = load_statements("retention.sql")
# A week of a large history is read for it, which takes longer than any statement of the service may.
_PATIENCE_SECONDS: Final = 3600.0


class Retired(NamedTuple):
    """What a call of `retire` did: how many runs of partitions, and whether nothing was left for another try."""

    runs: int
    complete: bool


async def retire(
    pool: Pool, *, keep: timedelta | None, last_runs: int | None, keep_statistics: timedelta | None = None
) -> Retired:
    """Retire all that is due; any number of replicas may call it at once, one of them does it.

    `keep` is how long tasks and fire times are kept after their end, `last_runs` how many tasks of each collection keep
    their log lines, `keep_statistics` how long days are kept that no event is left of; None is for ever. A kind
    for which somebody who reads or writes held a lock for too long wants another try; the others do not wait for it.
    """
    kinds: list[tuple[str, tuple[object, ...]]] = []
    if keep is not None:
        kinds += [(_SQL["retire_tasks"], (keep,)), (_SQL["retire_fire_times"], (keep,))]
    if keep is not None or last_runs is not None:
        kinds.append((_SQL["retire_logs"], (last_runs, keep)))
    results = [await _all_of(pool, statement, *values) for statement, values in kinds]
    if keep_statistics is not None:
        await pool.execute(_SQL["retire_stats"], keep_statistics, timeout=_PATIENCE_SECONDS)
        await pool.execute(_SQL["retire_histogram"], keep_statistics, timeout=_PATIENCE_SECONDS)
    return Retired(sum(result.runs for result in results), all(result.complete for result in results))


async def _all_of(pool: Pool, statement: str, *values: object) -> Retired:
    runs = 0
    try:
        while await pool.fetchval(statement, *values, timeout=_PATIENCE_SECONDS):
            runs += 1
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        return Retired(runs, complete=False)
    return Retired(runs, complete=True)
