"""What people ask for: a task, a list of tasks, a log. Pages by key, so that nothing is held open between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from sqlalchemy import ColumnElement, Select, select, true, tuple_
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from app.store.queries import load_statements
from app.store.tables import collection_status, tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    from app.store.database import Pool

_SQL: Final = load_statements("reads.sql")
_DIALECT: Final = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]
PAGE: Final = 1000

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

    async def task(self, task: UUID) -> asyncpg.Record | None:
        """The task's row of the list."""
        return await self._pool.fetchrow(_SQL["task_row"], task)

    async def collections(self) -> list[asyncpg.Record]:
        """Every collection that ever had a task or has a schedule, with its status."""
        return await self._pool.fetch(_SQL["collection_rows"])

    async def tasks(self, wanted: TaskFilter) -> AsyncIterator[list[asyncpg.Record]]:
        """Pages of the list, ascending by creation."""
        after: tuple[datetime, UUID] | None = None
        while True:
            page = await self._fetch(_page(wanted, after))
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = (page[-1]["created_at"], page[-1]["task"])

    async def log(self, task: UUID, start: datetime, end: datetime) -> AsyncIterator[list[asyncpg.Record]]:
        """Pages of a task's log, in the order in which it was written, attempt after attempt."""
        after = (-1, 0)
        while True:
            page = await self._pool.fetch(_SQL["log_page"], task, *after, start, end, PAGE)
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = (page[-1]["attempt"], page[-1]["line"])

    async def _fetch(self, query: Select[Any]) -> list[asyncpg.Record]:
        compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        values = [compiled.params[name] for name in compiled.positiontup or ()]
        return await self._pool.fetch(compiled.string, *values)


def _page(wanted: TaskFilter, after: tuple[datetime, UUID] | None) -> Select[Any]:
    chosen = _newest_of_each_collection(wanted) if wanted.limit else select(*_SHOWN).where(*_conditions(wanted))
    listed = chosen.subquery("listed")
    query = select(listed).order_by(listed.c.created_at, listed.c.task).limit(PAGE)
    if after:
        query = query.where(tuple_(listed.c.created_at, listed.c.task) > tuple_(*after))
    return query


def _newest_of_each_collection(wanted: TaskFilter) -> Select[Any]:
    """One index walk for each collection, from its newest task back."""
    known = collection_status
    newest = (
        select(*_SHOWN)
        .where(*_conditions(wanted), tasks.c.collection == known.c.collection)
        .order_by(tasks.c.created_at.desc(), tasks.c.task.desc())
        .limit(wanted.limit)
        .lateral("newest")
    )
    return select(newest).select_from(known).join(newest, true()).where(known.c.source == wanted.source)


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    conditions = [tasks.c.source == wanted.source, tasks.c.created_at.between(wanted.start, wanted.end)]
    if wanted.collection is not None:
        conditions.append(tasks.c.collection == wanted.collection)
    if wanted.status is not None:
        conditions.append(tasks.c.status == wanted.status)
    return conditions
