"""Lists of tasks: those that have ended, and the active ones, which are heads of collections.

The statements are made for the filters that they have, because one for all would read more than it needs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from app.domain.task import Status
from app.store.queries import PAGE
from app.store.tables import INSTANT, collections, tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    import asyncpg
    from sqlalchemy import Table

    from app.store.database import Pool

_DIALECT: Final = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]

_Conditions: TypeAlias = "Callable[[Table], list[ColumnElement[bool]]]"
PageKey: TypeAlias = tuple[datetime, UUID]
"""The last row of a page: when it was created, and its task."""

_COLUMNS: Final = tuple(column.name for column in tasks.columns if column.name != "version")
_FIRST_ID_TIME: Final = literal_column("timestamptz '1970-01-01 00:00:00Z'", type_=INSTANT)
_PAGE_SIZE: Final = bindparam("page", type_=Integer)
_ACTIVE: Final[tuple[ColumnClause[str], ...]] = (literal_column("'SCHEDULED'"), literal_column("'RUNNING'"))


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Tasks of `source` created in [start, end]; with `limit` only the newest N of each collection, 0 for all."""

    source: str
    start: datetime
    end: datetime
    collection: str | None = None
    status: str | None = None
    limit: int = 0


async def page_rows(pool: Pool, selection: TaskFilter) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield pages of the tasks, oldest first."""
    values: dict[str, Any] = asdict(selection) | {"page": PAGE}
    filters = _Filters.of(selection)
    if filters.collection and 0 < selection.limit <= PAGE:
        newest = await _fetch(pool, _newest_of_one(filters), values)
        if newest:
            yield newest[::-1]
        return
    windows = None
    if selection.limit:
        values |= {"before_oldest": selection.limit - 1}
        windows = [_Window(*row) for row in await _fetch(pool, _newest_of_each_collection(filters), values)]
    after: PageKey | None = None
    while windows is None or windows:
        if windows is not None:
            values |= zip(_Window._fields, map(list, zip(*windows, strict=True)), strict=True)
        page = await _fetch(pool, _page(filters, in_windows=windows is not None, goes_on=after is not None), values)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = (page[-1]["created_at"], page[-1]["task"])
        values |= {"after_at": after[0], "after": after[1]}
        windows = windows and [window.beyond(after) for window in windows if window.reaches_beyond(after)]


async def _fetch(pool: Pool, statement: _Statement, values: Mapping[str, Any]) -> list[asyncpg.Record]:
    by_name = {**statement.constants, **values}
    return await pool.fetch(statement.text, *(by_name[name] for name in statement.names))


class _Filters(NamedTuple):
    """The filters of a statement in addition to source and interval."""

    collection: bool
    status: bool
    ended: bool
    active: bool

    @classmethod
    def of(cls, selection: TaskFilter) -> _Filters:
        """Of the two parts of the list, one has no task of a given status."""
        is_active = selection.status in {Status.SCHEDULED, Status.RUNNING}
        by_status = selection.status is not None
        return cls(
            collection=selection.collection is not None,
            status=by_status,
            ended=not is_active,
            active=is_active or not by_status,
        )


class _Window(NamedTuple):
    """The first and the last task of a collection's part of the result."""

    window_collection: str
    oldest_at: datetime
    oldest: UUID
    newest_at: datetime
    newest: UUID

    def reaches_beyond(self, key: PageKey) -> bool:
        return (self.newest_at, self.newest) > key

    def beyond(self, key: PageKey) -> _Window:
        """The window without what earlier pages have returned, so that the index scan does not start there."""
        at, task = max((self.oldest_at, self.oldest), key)
        return self._replace(oldest_at=at, oldest=task)


class _Statement(NamedTuple):
    """SQL, the names of its parameters in their order, and the values of those that are constant."""

    text: str
    names: Sequence[str]
    constants: Mapping[str, Any]


def _compile(query: Select[Any]) -> _Statement:
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return _Statement(compiled.string, compiled.positiontup or (), compiled.params)


@cache
def _page(filters: _Filters, *, in_windows: bool, goes_on: bool) -> _Statement:
    def is_beyond(table: Table) -> list[ColumnElement[bool]]:
        after = tuple_(bindparam("after_at", type_=INSTANT), bindparam("after", type_=Uuid))
        return [_key(table) > after] if goes_on else []

    if not in_windows:
        return _compile(
            _first(filters, lambda table: [*_conditions(table, filters), _interval(table), *is_beyond(table)])
        )
    window = _windows()
    # No condition for the interval, which contains the windows: with two lower bounds, the index scan may start at the
    # wrong one.
    in_window = _first(
        filters,
        lambda table: [
            *_conditions(table, filters),
            *is_beyond(table),
            table.c.collection == _outer(window.c.window_collection),
            _key(table) >= tuple_(_outer(window.c.oldest_at), _outer(window.c.oldest)),
            _key(table) <= tuple_(_outer(window.c.newest_at), _outer(window.c.newest)),
        ],
    ).lateral("in_window")
    page = select(in_window).select_from(window).join(in_window, true())
    return _compile(page.order_by(in_window.c.created_at, in_window.c.task).limit(_PAGE_SIZE))


@cache
def _newest_of_one(filters: _Filters) -> _Statement:
    """The `limit` newest tasks of one collection, newest first."""
    return _compile(_last(filters, lambda table: [*_conditions(table, filters), _interval(table)]))


@cache
def _newest_of_each_collection(filters: _Filters) -> _Statement:
    """The window of the `limit` newest tasks of each collection, found by backward index scans.

    The windows are fixed for the whole result: tasks that are created while its pages are read are not in it.
    """
    known = collections.alias("known")
    back = _last(
        filters,
        lambda table: [
            *_conditions(table, filters),
            _interval(table),
            table.c.collection == _outer(known.c.collection),
        ],
    )
    newest = back.limit(1).lateral("newest_task")
    oldest = back.limit(1).offset(bindparam("before_oldest", type_=Integer)).lateral("oldest_task")
    return _compile(
        select(
            known.c.collection,
            func.coalesce(oldest.c.created_at, bindparam("start", type_=INSTANT)),
            func.coalesce(oldest.c.task, UUID(int=0)),
            newest.c.created_at,
            newest.c.task,
        )
        .select_from(known)
        .join(newest, true())
        .outerjoin(oldest, true())
        .where(known.c.source == bindparam("source", type_=Text))
    )


def _first(filters: _Filters, conditions: _Conditions) -> Select[Any]:
    """A page of the tasks that meet the conditions, oldest first."""

    def in_order(of: Select[Any]) -> Select[Any]:
        listed = of.selected_columns
        return of.order_by(listed.created_at, listed.task).limit(_PAGE_SIZE)

    return in_order(_listed(filters, conditions, in_order))


def _last(filters: _Filters, conditions: _Conditions) -> Select[Any]:
    """The `limit` newest tasks that meet the conditions, newest first."""

    def in_order(of: Select[Any]) -> Select[Any]:
        listed = of.selected_columns
        return of.order_by(listed.created_at.desc(), listed.task.desc()).limit(bindparam("limit", type_=Integer))

    return in_order(_listed(filters, conditions, in_order))


def _listed(filters: _Filters, conditions: _Conditions, first: Callable[[Select[Any]], Select[Any]]) -> Select[Any]:
    """Tasks that have ended, and active ones, which are the last tasks of a few collections.

    The `first` of each part are taken by themselves, for only then the ended ones are read in the order of an index.
    """
    # An id is never of an earlier time than that of the request, so partitions of weeks before need not be opened.
    since = func.greatest(bindparam("start", type_=INSTANT), _FIRST_ID_TIME, type_=INSTANT)
    ended = select(*(tasks.c[name] for name in _COLUMNS)).where(
        *conditions(tasks), tasks.c.task >= func.syncline.uuid7_floor(since, type_=Uuid)
    )
    head = (cast(null(), INSTANT).label(name) if name == "finished_at" else collections.c[name] for name in _COLUMNS)
    active = select(*head).where(collections.c.status.in_(_ACTIVE), *conditions(collections))
    parts = [part for part, is_wanted in ((ended, filters.ended), (active, filters.active)) if is_wanted]
    return select(union_all(*(select(first(part).subquery()) for part in parts)).subquery("listed"))


def _outer(of: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column of the query around this one, which SQLAlchemy would add to this one's FROM clause."""
    return literal_column(str(of), type_=of.type)


def _windows() -> TableValuedAlias:
    """The windows as a table of the query."""
    kinds: tuple[Any, ...] = (Text, INSTANT, Uuid, INSTANT, Uuid)
    columns: list[ColumnClause[Any]] = [column(name, kind) for name, kind in zip(_Window._fields, kinds, strict=True)]
    arrays = [bindparam(column.name, type_=ARRAY(column.type)) for column in columns]
    return func.unnest(*arrays).table_valued(*columns).render_derived("part")


def _key(table: Table) -> ColumnElement[Any]:
    return tuple_(table.c.created_at, table.c.task)


def _conditions(table: Table, filters: _Filters) -> list[ColumnElement[bool]]:
    conditions = [table.c.source == bindparam("source", type_=Text)]
    if filters.collection:
        conditions.append(table.c.collection == bindparam("collection", type_=Text))
    if filters.status:
        conditions.append(table.c.status == bindparam("status", type_=Text))
    return conditions


def _interval(table: Table) -> ColumnElement[bool]:
    return table.c.created_at.between(bindparam("start", type_=INSTANT), bindparam("end", type_=INSTANT))
