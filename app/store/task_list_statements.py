"""The statements that list tasks, made for the filters that they have: one for all would read more than it needs.

Active tasks are heads of collections. Ended ones are stored by weeks, and each week has to be searched by itself.
"""

from __future__ import annotations

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
    all_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from app.store.tables import INSTANT, XID8, collections, events, tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import FromClause

_DIALECT: Final = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]

_Conditions: TypeAlias = "Callable[[FromClause], list[ColumnElement[bool]]]"
PageKey: TypeAlias = tuple[datetime, UUID]
"""The last row of a page: when it was created, and its task."""

_COLUMNS: Final = tuple(column.name for column in tasks.columns if column.name != "version")
_FIRST_ID_TIME: Final = literal_column("timestamptz '1970-01-01 00:00:00Z'", type_=INSTANT)
_PAGE_SIZE: Final = bindparam("page", type_=Integer)
_MOMENT: Final[list[ColumnElement[Any]]] = [
    bindparam("upto_at", type_=INSTANT),
    cast(bindparam("upto_xid", type_=Text), XID8()),
    bindparam("moment", type_=INSTANT),
    bindparam("below", type_=Uuid),
    bindparam("week", type_=Uuid),
]
_ACTIVE: Final[tuple[ColumnClause[str], ...]] = (literal_column("'SCHEDULED'"), literal_column("'RUNNING'"))


class Filters(NamedTuple):
    """The filters of a statement in addition to source and interval."""

    collection: bool
    status: bool
    ended: bool
    active: bool
    as_of: bool


class Window(NamedTuple):
    """The first and the last task of a collection's part of the result."""

    window_collection: str
    oldest_at: datetime
    oldest: UUID
    newest_at: datetime
    newest: UUID

    def reaches_beyond(self, key: PageKey) -> bool:
        return (self.newest_at, self.newest) > key

    def beyond(self, key: PageKey) -> Window:
        """The window without what earlier pages have returned, so that the index scan does not start there."""
        at, task = max((self.oldest_at, self.oldest), key)
        return self._replace(oldest_at=at, oldest=task)


class Statement(NamedTuple):
    """SQL, the names of its parameters in their order, and the values of those that are constant."""

    text: str
    names: Sequence[str]
    constants: Mapping[str, Any]


def _compile(query: Select[Any]) -> Statement:
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Statement(compiled.string, compiled.positiontup or (), compiled.params)


@cache
def page_of_tasks(filters: Filters, *, in_windows: bool, goes_on: bool) -> Statement:
    """A page of the tasks, oldest first; one that `goes_on` begins after a row, the last one of the page before."""

    def is_beyond(table: FromClause) -> list[ColumnElement[bool]]:
        after = tuple_(bindparam("after_at", type_=INSTANT), bindparam("after", type_=Uuid))
        return [_key(table) > after] if goes_on else []

    if not in_windows:
        return _compile(
            _first(
                filters,
                lambda table: [
                    *_conditions(table, filters),
                    *_of_whole_source(table, filters),
                    _interval(table),
                    *is_beyond(table),
                ],
            )
        )
    window = _windows()
    of_window = _outer(window.c.window_collection)
    # No condition for the interval, which contains the windows: with two lower bounds, the index scan may start at the
    # wrong one.
    in_window = _first(
        filters,
        lambda table: [
            *_conditions(table, filters),
            *is_beyond(table),
            table.c.collection == of_window,
            table.c.task >= _first_id(_outer(window.c.oldest_at)),
            _key(table) >= tuple_(_outer(window.c.oldest_at), _outer(window.c.oldest)),
            _key(table) <= tuple_(_outer(window.c.newest_at), _outer(window.c.newest)),
        ],
        collection=of_window,
    ).lateral("in_window")
    page = select(in_window).select_from(window).join(in_window, true())
    return _compile(page.order_by(in_window.c.created_at, in_window.c.task).limit(_PAGE_SIZE))


@cache
def newest_of_one(filters: Filters) -> Statement:
    """The `limit` newest tasks of one collection, newest first."""
    return _compile(_last(filters, lambda table: [*_conditions(table, filters), _interval(table)]))


@cache
def newest_of_each_collection(filters: Filters) -> Statement:
    """The first and the last of the `limit` newest tasks of each collection that is not in `found`.

    The first is null if there are fewer, and both are if there are none. They are found by backward index scans.
    """
    known = collections.alias("known")
    of_known = _outer(known.c.collection)
    back = _last(
        filters,
        lambda table: [
            *_conditions(table, filters),
            _interval(table),
            table.c.collection == of_known,
        ],
        collection=of_known,
    )
    newest = back.limit(1).lateral("newest_task")
    oldest = back.limit(1).offset(bindparam("before_oldest", type_=Integer)).lateral("oldest_task")
    return _compile(
        select(
            known.c.collection.label("window_collection"),
            oldest.c.created_at.label("oldest_at"),
            oldest.c.task.label("oldest"),
            newest.c.created_at.label("newest_at"),
            newest.c.task.label("newest"),
        )
        .select_from(known)
        .outerjoin(newest, true())
        .outerjoin(oldest, true())
        .where(
            *_of_collections(known, filters),
            known.c.collection != all_(bindparam("found", type_=ARRAY(Text))),
        )
    )


def _first(filters: Filters, conditions: _Conditions, *, collection: ColumnElement[str] | None = None) -> Select[Any]:
    """A page of the tasks that meet the conditions, oldest first; `collection` if these name one."""

    def in_order(of: Select[Any]) -> Select[Any]:
        listed = of.selected_columns
        return of.order_by(listed.created_at, listed.task).limit(_PAGE_SIZE)

    return in_order(_listed(filters, conditions, in_order, collection=collection))


def _last(filters: Filters, conditions: _Conditions, *, collection: ColumnElement[str] | None = None) -> Select[Any]:
    """The `limit` newest tasks that meet the conditions, newest first; `collection` if these name one."""

    def in_order(of: Select[Any]) -> Select[Any]:
        listed = of.selected_columns
        return of.order_by(listed.created_at.desc(), listed.task.desc()).limit(bindparam("limit", type_=Integer))

    return in_order(_listed(filters, conditions, in_order, collection=collection))


def _listed(
    filters: Filters,
    conditions: _Conditions,
    first: Callable[[Select[Any]], Select[Any]],
    *,
    collection: ColumnElement[str] | None,
) -> Select[Any]:
    """Tasks that have ended, and active ones, which are the last tasks of a few collections.

    The `first` of each part are taken by themselves, for only then the ended ones are read in the order of an index.
    """
    ended = select(*(tasks.c[name] for name in _COLUMNS)).where(
        *conditions(tasks), tasks.c.task >= _first_id(bindparam("start", type_=INSTANT))
    )
    active = _active(conditions)
    if filters.as_of:
        ended = ended.add_columns(cast(null(), JSONB).label("progress")).where(*_had_ended())
        if collection is None and filters.collection:
            collection = bindparam("collection", type_=Text)
        active = _active_then(conditions, collection)
    parts = [part for part, is_wanted in ((ended, filters.ended), (active, filters.active)) if is_wanted]
    return select(union_all(*(select(first(part).subquery()) for part in parts)).subquery("listed"))


def _active(conditions: _Conditions) -> Select[Any]:
    head = (cast(null(), INSTANT).label(name) if name == "finished_at" else collections.c[name] for name in _COLUMNS)
    return select(*head).where(collections.c.status.in_(_ACTIVE), *conditions(collections))


def _active_then(conditions: _Conditions, collection: ColumnElement[str] | None) -> Select[Any]:
    """Those that were active at the moment, of this collection, or of all of the source."""
    known = collections.alias("head")
    then = func.syncline.active_as_of(
        bindparam("source", type_=Text), _outer(known.c.collection) if collection is None else collection, *_MOMENT
    ).table_valued(
        *(column(name, tasks.c[name].type) for name in (*_COLUMNS, "version")), column("progress", JSONB), name="active"
    )
    listed = select(*(then.c[name] for name in (*_COLUMNS, "progress"))).where(*conditions(then))
    if collection is not None:
        return listed
    return listed.select_from(known).join(then, true()).where(known.c.source == bindparam("source", type_=Text))


def _had_ended() -> list[ColumnElement[bool]]:
    """Whether a task had ended by the moment. For a time, the row tells; for a position, the event does."""
    upto_at, upto_xid, _, below, _ = _MOMENT
    ends = select(events.c.task).where(
        events.c.task == tasks.c.task, events.c.version == tasks.c.version, events.c.xid <= upto_xid
    )
    is_time = upto_xid == literal_column("'18446744073709551615'", type_=XID8())
    return [tasks.c.finished_at <= upto_at, tasks.c.task < below, or_(is_time, ends.exists())]


def _first_id(start: ColumnElement[Any]) -> ColumnElement[Any]:
    """The lowest id that a task created since then can have, so that no week before is opened.

    An id is never of an earlier time than that of the request.
    """
    return func.syncline.uuid7_floor(func.greatest(start, _FIRST_ID_TIME, type_=INSTANT), type_=Uuid)


def _outer(of: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column of the query around this one, which SQLAlchemy would add to this one's FROM clause."""
    return literal_column(str(of), type_=of.type)


def _windows() -> TableValuedAlias:
    """The windows as a table of the query."""
    kinds: tuple[Any, ...] = (Text, INSTANT, Uuid, INSTANT, Uuid)
    columns: list[ColumnClause[Any]] = [column(name, kind) for name, kind in zip(Window._fields, kinds, strict=True)]
    arrays = [bindparam(column.name, type_=ARRAY(column.type)) for column in columns]
    return func.unnest(*arrays).table_valued(*columns).render_derived("part")


def _key(table: FromClause) -> ColumnElement[Any]:
    return tuple_(table.c.created_at, table.c.task)


def _of_whole_source(table: FromClause, filters: Filters) -> list[ColumnElement[bool]]:
    """The condition of the index of a source's tasks, which is true of every task.

    A list of a collection does not have it. The planner, which does not know the values, might choose that index for a
    collection too, and all tasks of the source would be read.
    """
    return [] if filters.collection else [table.c.version > literal_column("0")]


def _of_collections(table: FromClause, filters: Filters) -> list[ColumnElement[bool]]:
    conditions = [table.c.source == bindparam("source", type_=Text)]
    if filters.collection:
        conditions.append(table.c.collection == bindparam("collection", type_=Text))
    return conditions


def _conditions(table: FromClause, filters: Filters) -> list[ColumnElement[bool]]:
    conditions = _of_collections(table, filters)
    if filters.status:
        conditions.append(table.c.status == bindparam("status", type_=Text))
    return conditions


def _interval(table: FromClause) -> ColumnElement[bool]:
    return table.c.created_at.between(bindparam("start", type_=INSTANT), bindparam("end", type_=INSTANT))
