"""What people ask for: a task, a list of tasks, a log. Pages by key, so that nothing is held open between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Select,
    TableValuedAlias,
    Text,
    Uuid,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from app.store.queries import load_statements
from app.store.tables import INSTANT, collection_status, tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from app.store.database import Pool

_SQL: Final = load_statements("reads.sql")
_DIALECT: Final = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]
PAGE: Final = 1000
BEFORE_ALL_LINES: Final = (-1, 0)

_SHOWN: Final = tuple(column for column in tasks.columns if column.name != "version")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Tasks of `source` created in [start, end]; `limit` takes the newest N of each collection, 0 takes all."""

    source: str
    start: datetime
    end: datetime
    collection: str | None = None
    status: str | None = None
    limit: int = 0


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Lines written in [start, end], after the place `after` (attempt, line).

    `tail` takes the last so many of them, at most `PAGE`; `limit` the first so many of what is left, 0 all.
    """

    start: datetime
    end: datetime
    after: tuple[int, int] = BEFORE_ALL_LINES
    tail: int | None = None
    limit: int = 0


class Reader:
    """The reads of the API."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def schema_version(self) -> str | None:
        """The migration that the database is at; None before the first."""
        try:
            version: str | None = await self._pool.fetchval(_SQL["schema_version"])
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return None
        return version

    async def projection_lags(self) -> dict[str, float]:
        """How many seconds each asynchronous projection is behind the events."""
        rows = await self._pool.fetch(_SQL["projection_lags"])
        return {row["projection"]: row["seconds"] for row in rows}

    async def task(self, task: UUID) -> asyncpg.Record | None:
        """The task's row of the list."""
        return await self._pool.fetchrow(_SQL["task_row"], task)

    async def collections(self) -> list[asyncpg.Record]:
        """Every collection that ever had a task or has a schedule, with its status."""
        return await self._pool.fetch(_SQL["collection_rows"])

    async def tasks(self, wanted: TaskFilter) -> AsyncIterator[list[asyncpg.Record]]:
        """Pages of the list, ascending by creation."""
        windows = await self._fetch(_newest_of_each_collection(wanted)) if wanted.limit else None
        after: tuple[datetime, UUID] | None = None
        while windows is None or windows:
            page = await self._fetch(_page(wanted, windows, after))
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = (page[-1]["created_at"], page[-1]["task"])

    async def log(self, task: UUID, wanted: LogFilter) -> AsyncIterator[list[asyncpg.Record]]:
        """Pages of a task's log, in the order in which it was written, attempt after attempt."""
        interval = wanted.start, wanted.end
        if wanted.tail is not None:
            page = await self._pool.fetch(_SQL["log_tail"], task, *wanted.after, *interval, wanted.tail)
            yield page[::-1][: wanted.limit or None]
            return
        after, left = wanted.after, wanted.limit or None
        while left != 0:
            size = PAGE if left is None else min(PAGE, left)
            page = await self._pool.fetch(_SQL["log_page"], task, *after, *interval, size)
            if page:
                yield page
            if len(page) < size:
                return
            after = (page[-1]["attempt"], page[-1]["line"])
            left = None if left is None else left - size

    async def _fetch(self, query: Select[Any]) -> list[asyncpg.Record]:
        compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        values = [compiled.params[name] for name in compiled.positiontup or ()]
        return await self._pool.fetch(compiled.string, *values)


def _page(
    wanted: TaskFilter, windows: Sequence[asyncpg.Record] | None, after: tuple[datetime, UUID] | None
) -> Select[Any]:
    place = tuple_(tasks.c.created_at, tasks.c.task)
    query = select(*_SHOWN).where(*_conditions(wanted)).order_by(tasks.c.created_at, tasks.c.task).limit(PAGE)
    if after:
        query = query.where(place > tuple_(*after))
    if windows is None:
        return query
    window = _as_table(windows)
    listed = query.where(
        tasks.c.collection == window.c.collection,
        place >= tuple_(window.c.oldest_at, window.c.oldest),
        place <= tuple_(window.c.newest_at, window.c.newest),
    ).lateral("listed")
    merged = select(listed).select_from(window).join(listed, true())
    return merged.order_by(listed.c.created_at, listed.c.task).limit(PAGE)


def _newest_of_each_collection(wanted: TaskFilter) -> Select[Any]:
    """From which to which task the `limit` newest of each collection go, found by walking back along the index.

    The windows stand for the whole answer: what is created while its pages are read is not in it.
    """
    known = collection_status
    back = (
        select(tasks.c.created_at, tasks.c.task)
        .where(*_conditions(wanted), tasks.c.collection == known.c.collection)
        .order_by(tasks.c.created_at.desc(), tasks.c.task.desc())
        .limit(1)
    )
    newest, oldest = back.lateral("newest"), back.offset(wanted.limit - 1).lateral("oldest")
    return (
        select(
            known.c.collection,
            func.coalesce(oldest.c.created_at, wanted.start).label("oldest_at"),
            func.coalesce(oldest.c.task, UUID(int=0)).label("oldest"),
            newest.c.created_at.label("newest_at"),
            newest.c.task.label("newest"),
        )
        .select_from(known)
        .join(newest, true())
        .outerjoin(oldest, true())
        .where(known.c.source == wanted.source)
    )


def _as_table(windows: Sequence[asyncpg.Record]) -> TableValuedAlias:
    """The windows as a table of the next query."""
    columns = (("collection", Text), ("oldest_at", INSTANT), ("oldest", Uuid), ("newest_at", INSTANT), ("newest", Uuid))
    arrays = [literal([window[name] for window in windows], ARRAY(kind)) for name, kind in columns]
    return func.unnest(*arrays).table_valued(*(column(name, kind) for name, kind in columns)).render_derived("window")


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    conditions = [tasks.c.source == wanted.source, tasks.c.created_at.between(wanted.start, wanted.end)]
    if wanted.collection is not None:
        conditions.append(tasks.c.collection == wanted.collection)
    if wanted.status is not None:
        conditions.append(tasks.c.status == wanted.status)
    return conditions
