"""The queries of the API: a task, lists of tasks, logs. Keyset pagination keeps nothing open between pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg

from app.domain.errors import DatabaseReadOnlyError
from app.domain.task import Status
from app.store.log_search import BEFORE_ALL_LINES, find_lines
from app.store.moments import END_OF_TIME, LATEST, find_moment
from app.store.positions import require_own_positions
from app.store.queries import PAGE, load_statements
from app.store.recent_tasks import fetch_failed, fetch_last_runs, fetch_recent
from app.store.statistics import fetch_periods
from app.store.task_lists import page_rows
from app.store.timeline import fetch_outcomes
from app.store.workers import fetch_workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import date
    from uuid import UUID

    from app.domain.feed import Place
    from app.store.database import Pool
    from app.store.log_search import FoundLines, LogSearch
    from app.store.moments import Moment
    from app.store.recent_tasks import RecentTasks
    from app.store.statistics import Period, Wanted
    from app.store.task_lists import TaskFilter
    from app.store.timeline import Spans
    from app.store.workers import WorkerList

_SQL: Final = load_statements("reads.sql")

Row: TypeAlias = "asyncpg.Record | dict[str, Any]"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Lines written in [start, end] and after the line `after` (attempt, line).

    `tail` takes the last N of them, at most `PAGE`; then `limit` takes the first N of the rest, 0 all.
    """

    start: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    end: datetime = END_OF_TIME
    after: tuple[int, int] = BEFORE_ALL_LINES
    tail: int | None = None
    limit: int = 0


async def fetch_schema_version(database: Pool | asyncpg.Connection[asyncpg.Record]) -> str | None:
    """The database's migration; None before the first one."""
    try:
        version: str | None = await database.fetchval(_SQL["schema_version"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    return version


async def fetch_projection_lags(database: Pool | asyncpg.Connection[asyncpg.Record]) -> dict[str, float]:
    """The lag of each asynchronous projection behind the events, in seconds."""
    rows = await database.fetch(_SQL["projection_lags"])
    return {row["projection"]: row["seconds"] for row in rows}


class Reader:
    """The queries of the API.

    `get_…` returns one thing, `list_…` all of a kind, `page_…` an iterator of pages.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def require_writable(self) -> None:
        """Check that the server accepts writes; if it does not, the pool leaves it.

        Raises:
            DatabaseReadOnlyError: it is a standby, or the database was made read-only.
        """
        async with self._pool.acquire() as connection:
            if await connection.fetchval(_SQL["read_only"]):
                raise DatabaseReadOnlyError

    async def require_own_positions(self) -> None:
        """Raises `StoreMovedError` if the store has moved to a server with lower transaction ids."""
        await require_own_positions(self._pool)

    async def get_schema_version(self) -> str | None:
        """The database's migration; None before the first one."""
        return await fetch_schema_version(self._pool)

    async def get_projection_lags(self) -> dict[str, float]:
        """The lag of each asynchronous projection behind the events, in seconds."""
        return await fetch_projection_lags(self._pool)

    async def get_task(self, task: UUID) -> Row | None:
        """The row of a task, or None. While the task is active, its row also has `progress` or `waiting`."""
        row = await self._pool.fetchrow(_SQL["task_row"], task)
        return row and (await self._with_present([row]))[0]

    async def get_task_as_of(self, task: UUID, moment: Moment) -> Row | None:
        """The task's row as it was; None if there was no such task yet."""
        row = await self._pool.fetchrow(_SQL["task_row_as_of"], task, moment.upto_at, moment.upto_xid)
        return row and {**row}

    async def find_moment(self, as_of: datetime | Place) -> Moment:
        """The moment that a client names.

        Raises:
            EventsGoneError: retention has removed what one would need to look so far back.
            ConfigurationError: it is still to come.
        """
        return await find_moment(self._pool, as_of)

    async def has_had_tasks(self, source: str) -> bool:
        """Whether a collection of this source ever had a task or has a schedule."""
        known: bool = await self._pool.fetchval(_SQL["source_is_known"], source)
        return known

    async def has_due_fire_time(self, source: str, collection: str) -> bool:
        """Whether the collection's schedule is due and no scheduler has handled that yet."""
        waits: bool = await self._pool.fetchval(_SQL["fire_time_waits"], source, collection)
        return waits

    async def find_active_task(self, source: str, collection: str) -> str | None:
        """The UUID of the collection's task that waits or runs; None if there is none."""
        task: str | None = await self._pool.fetchval(_SQL["active_task"], source, collection)
        return task

    async def list_collections(self) -> list[asyncpg.Record]:
        """List every collection that ever had a task or has a schedule, with its status."""
        return await self._pool.fetch(_SQL["collection_rows"])

    async def list_collections_as_of(self, moment: Moment) -> list[asyncpg.Record]:
        """List every collection that had had a task by then, with its status as it was.

        Those whose last task had succeeded come without their last failure.
        """
        return await self._pool.fetch(_SQL["collections_as_of"], *moment)

    async def list_tables(self) -> list[asyncpg.Record]:
        """List every table that a collection has loaded into a destination, with its current columns."""
        return await self._pool.fetch(_SQL["current_tables"])

    async def list_tables_of(self, source: str, collection: str, moment: Moment = LATEST) -> list[asyncpg.Record]:
        """List the tables that a collection had loaded, with the columns that they had, and since when."""
        return await self._pool.fetch(_SQL["tables_of"], source, collection, moment.moment)

    async def list_days(self, source: str, collection: str, first: date, last: date) -> list[asyncpg.Record]:
        """List the daily statistics of a collection, oldest first; days on which no task has ended are left out."""
        return await self._pool.fetch(_SQL["days_of"], source, collection, first, last)

    async def page_tasks(self, selection: TaskFilter) -> AsyncIterator[list[Row]]:
        """Yield pages of tasks, oldest first."""
        async for page in page_rows(self._pool, selection):
            yield list(page) if selection.as_of else await self._with_present(page)

    async def list_recent(self, wanted: RecentTasks, limit: int) -> list[Row]:
        """List the newest `limit` of these tasks, newest first."""
        return await self._with_present(await fetch_recent(self._pool, wanted, limit))

    async def list_last_runs(
        self, collections: Sequence[tuple[str, str]], most: int, since: datetime, moment: Moment = LATEST
    ) -> list[asyncpg.Record]:
        """List the last tasks of these collections that had ended, as `fetch_last_runs` says."""
        return await fetch_last_runs(self._pool, collections, most, since, moment)

    async def list_failed(self, since: datetime, limit: int, moment: Moment = LATEST) -> list[asyncpg.Record]:
        """List the newest `limit` tasks that were created since then and had failed, newest first."""
        return await fetch_failed(self._pool, since, limit, moment)

    async def list_outcomes(
        self, collections: Sequence[tuple[str, str]], spans: Spans, moment: Moment = LATEST
    ) -> list[asyncpg.Record]:
        """List what had become of the fire times of these collections, as `fetch_outcomes` says."""
        return await fetch_outcomes(self._pool, collections, spans, moment)

    async def list_workers(self, most: int, most_tasks: int) -> WorkerList:
        """List the workers and what they run, as `fetch_workers` says."""
        return await fetch_workers(self._pool, most, most_tasks)

    async def list_periods(self, wanted: Wanted) -> list[Period]:
        """List how many rows tasks have written by hour or day, as `fetch_periods` says."""
        return await fetch_periods(self._pool, wanted)

    async def _with_present(self, rows: list[asyncpg.Record]) -> list[Row]:
        """Add what is only true now: `progress` to the rows of running tasks, and `waiting` to those that have to wait.

        `progress` is the latest report of the attempt, if there is one; `waiting` has the time `until` the next attempt
        and the `reason`.
        """
        running = [(row["task"], row["attempt"]) for row in rows if row["status"] == Status.RUNNING]
        queued = [row for row in rows if row["status"] == Status.SCHEDULED]
        between = [row["task"] for row in queued if row["attempt"]]
        more: dict[UUID, dict[str, Any]] = {}
        if running:
            reports = await self._pool.fetch(_SQL["progress_of"], *map(list, zip(*running, strict=True)))
            more |= {row["task"]: {"progress": row["data"]} for row in reports}
        if between:
            waits = await self._pool.fetch(_SQL["waits_of"], between)
            more |= {row["task"]: {"waiting": _waiting(row)} for row in waits}
        if queued:
            outages = await self._pool.fetch(_SQL["waits_for_destinations"], [*{row["source"] for row in queued}])
            waiting = {row["source"]: _waiting(row) for row in outages}
            more |= {row["task"]: {"waiting": waiting[row["source"]]} for row in queued if row["source"] in waiting}
        return [{**row, **more[row["task"]]} if row["task"] in more else row for row in rows]

    async def page_log(self, task: UUID, selection: LogFilter) -> AsyncIterator[list[asyncpg.Record]]:
        """Yield pages of a task's log in the order of attempts and lines."""
        interval = selection.start, selection.end
        if selection.tail is not None:
            page = await self._pool.fetch(_SQL["log_tail"], task, *selection.after, *interval, selection.tail)
            yield page[::-1][: selection.limit or None]
            return
        after, left = selection.after, selection.limit or None
        while left != 0:
            size = PAGE if left is None else min(PAGE, left)
            page = await self._pool.fetch(_SQL["log_page"], task, *after, *interval, size)
            if page:
                yield page
            if len(page) < size:
                return
            after = (page[-1]["attempt"], page[-1]["line"])
            left = None if left is None else left - size

    async def find_grown_logs(self, places: Collection[tuple[UUID, int, int]]) -> dict[tuple[UUID, int, int], bool]:
        """Find the places (task, attempt, line) that lines have followed or whose tasks have ended: whether they have.

        What a task has written is there by the time that it has ended.
        """
        rows = await self._pool.fetch(_SQL["grown_logs"], *map(list, zip(*places, strict=True)))
        return {(row["task"], row["attempt"], row["line"]): row["ended"] for row in rows}

    async def find_lines(self, task: UUID, search: LogSearch, *, limit: int) -> FoundLines:
        """Find lines of a task's log, as `find_lines` of `app.store.log_search` says."""
        return await find_lines(self._pool, task, search, limit=limit)


def _waiting(row: asyncpg.Record) -> dict[str, Any]:
    return {"until": row["until"], "reason": row["reason"]}
