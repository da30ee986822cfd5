"""Lists of tasks, read in pages: those that have ended, and the active ones.

The newest tasks are looked for in the last weeks first, where most collections have enough of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.domain.task import Status
from app.store.queries import PAGE
from app.store.task_list_statements import Filters, Window, newest_of_each_collection, newest_of_one, page_of_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    import asyncpg

    from app.store.database import Pool
    from app.store.moments import Moment
    from app.store.task_list_statements import PageKey, Statement

_LAST_WEEKS: Final = (timedelta(weeks=1), timedelta(weeks=10))


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Tasks of `source` created in [start, end]; with `limit` only the newest N of each collection, 0 for all.

    With a moment, the tasks that there were, as they were.
    """

    source: str
    start: datetime
    end: datetime
    collection: str | None = None
    status: str | None = None
    limit: int = 0
    as_of: Moment | None = None


async def page_rows(pool: Pool, selection: TaskFilter) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield pages of the tasks, oldest first."""
    values = _values_of(selection)
    filters = _filters_of(selection)
    if filters.collection and 0 < selection.limit <= PAGE:
        newest = await _find_newest(pool, selection, filters, values)
        if newest:
            yield newest[::-1]
        return
    windows = await _find_windows(pool, selection, filters, values) if selection.limit else None
    after: PageKey | None = None
    while windows is None or windows:
        if windows is not None:
            values["start"] = min(window.oldest_at for window in windows)
            values |= zip(Window._fields, map(list, zip(*windows, strict=True)), strict=True)
        statement = page_of_tasks(filters, in_windows=windows is not None, goes_on=after is not None)
        page = await _fetch(pool, statement, values)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = (page[-1]["created_at"], page[-1]["task"])
        values |= {"after_at": after[0], "after": after[1]}
        windows = windows and [window.beyond(after) for window in windows if window.reaches_beyond(after)]


def _values_of(selection: TaskFilter) -> dict[str, Any]:
    values = {name: getattr(selection, name) for name in TaskFilter.__slots__ if name != "as_of"} | {"page": PAGE}
    if selection.as_of:
        values |= selection.as_of._asdict() | {"upto_xid": str(selection.as_of.upto_xid)}
    return values


async def _find_newest(
    pool: Pool, selection: TaskFilter, filters: Filters, values: Mapping[str, Any]
) -> list[asyncpg.Record]:
    """The `limit` newest tasks of one collection, newest first."""
    newest: list[asyncpg.Record] = []
    for start in _starts(selection):
        newest = await _fetch(pool, newest_of_one(filters), {**values, "start": start})
        if len(newest) == selection.limit:
            break
    return newest


async def _find_windows(pool: Pool, selection: TaskFilter, filters: Filters, values: Mapping[str, Any]) -> list[Window]:
    """The window of the `limit` newest tasks of each collection that has tasks.

    The windows are fixed for the whole result: tasks that are created while its pages are read are not in it.
    """
    windows: list[Window] = []
    values = {**values, "before_oldest": selection.limit - 1}
    for start in _starts(selection):
        found = [window.window_collection for window in windows]
        rows = await _fetch(pool, newest_of_each_collection(filters), {**values, "start": start, "found": found})
        windows += [Window(*row) for row in rows if row["oldest"]]
        rows = [row for row in rows if not row["oldest"]]
        if not rows:
            return windows
    # These have fewer than `limit` tasks.
    first = {"oldest_at": selection.start, "oldest": UUID(int=0)}
    return windows + [Window(**{**row, **first}) for row in rows if row["newest"]]


def _starts(selection: TaskFilter) -> Iterator[datetime]:
    """Where the search for the newest tasks begins: late at first, and at last where the interval does.

    If `limit` tasks were created since then, the newest are among them.
    """
    until = min(selection.end, selection.as_of.moment if selection.as_of else datetime.now(UTC))
    for span in _LAST_WEEKS:
        if until - selection.start > span:
            yield until - span
    yield selection.start


async def _fetch(pool: Pool, statement: Statement, values: Mapping[str, Any]) -> list[asyncpg.Record]:
    by_name = {**statement.constants, **values}
    return await pool.fetch(statement.text, *(by_name[name] for name in statement.names))


def _filters_of(selection: TaskFilter) -> Filters:
    """Of the two parts of the list, one has no task of a given status."""
    is_active = selection.status in {Status.SCHEDULED, Status.RUNNING}
    by_status = selection.status is not None
    return Filters(
        collection=selection.collection is not None,
        status=by_status,
        ended=not is_active,
        active=is_active or not by_status,
        as_of=selection.as_of is not None,
    )
