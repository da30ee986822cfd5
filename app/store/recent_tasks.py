"""The newest tasks, of many collections together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from app.domain.task import Status
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import asyncpg

    from app.store.database import Pool
    from app.store.moments import Moment

_SQL: Final = load_statements("recent_tasks.sql")


class TaskKey(NamedTuple):
    """A task in the order of their creation."""

    created_at: datetime
    task: UUID


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ACTIVE: Final = frozenset({Status.SCHEDULED, Status.RUNNING})
AFTER_ALL_TASKS: Final = TaskKey(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class RecentTasks:
    """Tasks that were created since then, before another one. None stands for every source, collection and status."""

    since: datetime = EPOCH
    before: TaskKey = AFTER_ALL_TASKS
    source: str | None = None
    collection: str | None = None
    statuses: Collection[Status] | None = None


async def fetch_recent(pool: Pool, wanted: RecentTasks, limit: int) -> list[asyncpg.Record]:
    """Fetch the newest `limit` of the tasks, newest first."""
    statement, more = _statement_for(wanted)
    statuses = None if wanted.statuses is None else [*wanted.statuses]
    return await pool.fetch(statement, wanted.since, wanted.before.task, limit, statuses, *more)


def _statement_for(wanted: RecentTasks) -> tuple[str, tuple[Any, ...]]:
    """The statement with an index for these filters, and what it needs beside what all need."""
    if wanted.statuses is not None and ACTIVE.issuperset(wanted.statuses):
        return _SQL["newest_active"], (wanted.source, wanted.collection)
    if wanted.statuses is not None and Status.SUCCESS not in wanted.statuses and wanted.collection is None:
        return _SQL["newest_without_success"], (wanted.source, wanted.collection)
    if wanted.source is None:
        return _SQL["newest_of_all"], (wanted.collection,)
    if wanted.collection is None:
        return _SQL["newest_of_source"], (wanted.before.created_at, wanted.source)
    return _SQL["newest_of_collection"], (wanted.before.created_at, wanted.source, wanted.collection)


async def fetch_failed(pool: Pool, since: datetime, limit: int, moment: Moment) -> list[asyncpg.Record]:
    """Fetch the newest `limit` tasks that were created since then and had failed by a moment, newest first."""
    return await pool.fetch(_SQL["newest_failed"], since, moment.moment, moment.below, limit)


async def fetch_last_runs(
    pool: Pool, collections: Sequence[tuple[str, str]], most: int, since: datetime, moment: Moment
) -> list[asyncpg.Record]:
    """Fetch `status` and `rows` of the last tasks of each collection that had ended by a moment: at most `most`.

    They come by source and collection, newest first. Tasks created before `since` are left out.
    """
    sources, names = [source for source, _ in collections], [name for _, name in collections]
    return await pool.fetch(_SQL["last_runs"], sources, names, most, since, moment.moment)
