"""Retention: deletes old data partition by partition, after copying the rows that must stay.

The rules are functions in the database: see migration 0005 and docs/decisions/0013-retention.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, timedelta

    from app.store.database import Pool

_SQL: Final = load_statements("retention.sql")
# A call may read a week of a large history, which takes longer than other statements are allowed to.
_TIMEOUT_SECONDS: Final = 3600.0


class Retired(NamedTuple):
    """The result of `retire`: how many times partitions were retired, and whether nothing is left to try again."""

    rounds: int
    complete: bool


async def retire(
    pool: Pool,
    *,
    keep: timedelta | None,
    last_runs: int | None,
    keep_statistics: timedelta | None = None,
    archived: Sequence[date] | None = None,
) -> Retired:
    """Delete what is due. Any number of replicas may call it at once; one of them does the work.

    Tasks are deleted only in weeks that are sealed, and whose events are as they were sealed.

    If another session holds a lock for too long, that kind of data is left for another try, and the others go on.

    Args:
        pool: connections to the database.
        keep: how long tasks and fire times are kept after their end; None forever.
        last_runs: how many tasks of each collection keep their log lines; None for all.
        keep_statistics: how long statistics are kept whose events are gone; None forever.
        archived: the weeks that are archived, and no other may be deleted; None for all, or none if `want_archive` ran.
    """
    results = []
    if keep is not None:
        tasks = await _retire_all(pool, _SQL["retire_tasks"], keep, archived)
        results += [tasks, await _retire_all(pool, _SQL["retire_fire_times"], keep)]
        if tasks.rounds:
            # There may be catalogues that nothing names any more.
            results.append(await _retire_all(pool, _SQL["retire_catalogues"], keep))
    if keep is not None or last_runs is not None:
        results.append(await _retire_all(pool, _SQL["retire_logs"], last_runs, keep))
    if keep_statistics is not None:
        await pool.execute(_SQL["retire_stats"], keep_statistics, timeout=_TIMEOUT_SECONDS)
        await pool.execute(_SQL["retire_histogram"], keep_statistics, timeout=_TIMEOUT_SECONDS)
    return Retired(sum(result.rounds for result in results), all(result.complete for result in results))


async def want_archive(pool: Pool) -> None:
    """From now on keep weeks that are not archived, also if a worker asks whose catalogue has no archive."""
    await pool.execute(_SQL["want_archive"], timeout=_TIMEOUT_SECONDS)


async def _retire_all(pool: Pool, statement: str, *values: object) -> Retired:
    rounds = 0
    try:
        while await pool.fetchval(statement, *values, timeout=_TIMEOUT_SECONDS):
            rounds += 1
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        return Retired(rounds, complete=False)
    return Retired(rounds, complete=True)
