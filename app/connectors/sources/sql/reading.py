"""From a table or query to its table, rows and checkpoints, chunk by chunk."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, column, select, table, text
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import NullType

from app.connectors.contract.batches import Columns
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.sources.sql import bookmark as bookmarks
from app.connectors.sources.sql.announcement import Announcement
from app.connectors.sources.sql.dialect import EVERYTHING
from app.connectors.sources.sql.suspects import does_not_grow, is_misplaced
from app.connectors.sources.sql.values import plain_values, size
from app.connectors.values.floats import lowest_as_single
from app.connectors.values.lookback import earlier
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa  # type: ignore[import-untyped]
    from sqlalchemy import ColumnClause, ColumnElement, Connection, CursorResult, FromClause

    from app.connectors.contract.passes import Log
    from app.connectors.sources.sql.database import Database
    from app.connectors.sources.sql.dialect import Declared, SourceColumn
    from app.connectors.sources.sql.selection import Selection
    from app.domain.interval import Interval

_FIRST_ROWS = 100
_CHUNK_BYTES = 4 << 20
_ALMOST = 0.99
_VALUES = 1000
_ALIAS = "syncline_source"
_TIMES = (Kind.TIMESTAMP, Kind.LOCAL_TIMESTAMP, Kind.DATE)


class Reading:
    """One read inside one transaction; `columns` are those of the table or query."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        selection: Selection,
        *,
        log: Log,
        bookmark_was_set: bool = False,
    ) -> None:
        """`bookmark_was_set`: one that does not belong to the cursor is an error."""
        self._database = database
        self._log = log
        self._connection = connection
        self.selection = selection
        self._bookmark_was_set = bookmark_was_set
        with self.translate_errors():
            everything = select(EVERYTHING).select_from(self._from([]))
            self.columns = database.dialect.columns(connection, everything)
            if selection.table is not None:
                declared = database.dialect.declared(connection, selection.table, selection.schema)
                self.columns = [_as_declared(each, declared.get(each.name)) for each in self.columns]
        selection.check(self._names)
        self._whole = self._from(self._names)
        self._expected = self._expected_rows()
        self._read = 0
        self._lost: Counter[str] = Counter()

    def items(self, wanted: Select[Any], *, table_name: str, chunk_rows: int) -> Iterator[Table | Rows | Checkpoint]:
        """What the statement `wanted`, made by `since` or `within`, selects."""
        announcement = Announcement(table_name, self.columns, self.selection)
        cursor_field = self.selection.cursor_field
        at = None if cursor_field is None else self._names.index(cursor_field)
        yield from announcement.update([])
        with closing(self._execute(wanted)) as result:
            count = min(_FIRST_ROWS, chunk_rows)
            left: Any = result
            while chunk := self._fetch(left, count):
                values = list(zip(*chunk, strict=True))
                yield from announcement.update(values)
                rows = self._rows(table_name, values)
                self.count(len(chunk))
                bookmark = None if at is None else self._bookmark(self.columns[at], chunk[-1][at])
                yield rows
                # SQLAlchemy wraps each row, which takes as long as reading it. It reads ahead once, so the first
                # rows must come from it; later it holds none back.
                left = result.cursor or result
                if bookmark is not None:
                    yield Checkpoint(bookmark)
                # As many as should fit, judging by the last chunk, but at most ten times as many.
                count = min(chunk_rows, 10 * count, max(1, _CHUNK_BYTES * len(chunk) // max(1, rows.size)))
        yield from announcement.finish()
        self._warn_of_lost_values()
        if at is None:
            yield Checkpoint(None)

    @property
    def origin(self) -> str:
        """The table or query, for messages."""
        return _origin(self.selection)

    def translate_errors(self, doing: str = "") -> AbstractContextManager[None]:
        return self._database.translate_errors(doing or f"cannot read {self.origin}")

    def count(self, rows: int) -> None:
        """So many more have been read."""
        self._read += rows

    def progress(self) -> float | None:
        """From an estimate, so it never reaches 1."""
        return min(self._read / self._expected, _ALMOST) if self._expected else None

    def _bookmark(self, cursor: SourceColumn, value: Any) -> str:
        in_utc = self._database.dialect.is_session_time(cursor)
        if cursor.convert is not None:
            (meant,) = self._convert(cursor, cursor.convert, [value])
            if meant is None:
                raise ConfigurationError(
                    f"cursor_field {cursor.name!r} has the value {value!r}, which is not a date and does not tell what "
                    "is new; correct it, or write a 'query' that filters out such rows"
                )
            value = meant
        return bookmarks.encode(cursor.name, _cursor_value(cursor, value), in_utc=in_utc)

    def _expected_rows(self) -> int | None:
        """Only of a whole table: nothing says how many rows are new."""
        selection = self.selection
        if selection.query is not None or selection.cursor_field is not None:
            return None
        parts = [part for part in (selection.schema, selection.table) if part]
        name = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
        with self._database.translate_errors(f"cannot read {_origin(selection)}"):
            return self._database.dialect.expected_rows(self._connection, name)

    def since(self, bookmark: str | None) -> Select[Any]:
        """Rows from the bookmark's cursor value on; all of them without a cursor."""
        statement = self._everything()
        cursor_field = self.selection.cursor_field
        if cursor_field is None:
            return statement
        cursor = self._column(cursor_field)
        self.check_lookback()
        self._refuse_null_cursors(cursor)
        begin = self._begin(bookmark, cursor)
        if begin is not None:
            self._refuse_misplaced_cursors(cursor, begin)
            statement = statement.where(self._expression(cursor) >= self._bind("syncline_cursor", cursor, begin))
        return statement.order_by(self._expression(cursor))

    def highest_cursor(self) -> str | None:
        """The bookmark of the highest cursor there is; None without a cursor, or without rows.

        Raises:
            ConfigurationError: a row has no value there, or one that has no order.
        """
        if self.selection.cursor_field is None:
            return None
        cursor = self._column(self.selection.cursor_field)
        self.check_lookback()
        self._refuse_null_cursors(cursor)
        expression = self._expression(cursor)
        exact = self._database.dialect.exact(cursor, expression)
        found = self._first(select(exact).order_by(expression.desc()).limit(1))
        return None if found is None else self._bookmark(cursor, found[0])

    def _begin(self, bookmark: str | None, cursor: SourceColumn) -> Any | None:
        """The cursor value to begin at; None to read all rows."""
        begin = bookmarks.decode(bookmark, cursor_field=cursor.name)
        if cursor.kind is Kind.TEXT and isinstance(begin, int | float | Decimal):
            # The column had numbers: as strings, those after the bookmark may sort before it.
            begin = None
        if begin is None and bookmark is not None and self._bookmark_was_set:
            raise ConfigurationError(f"the bookmark that was set by hand does not fit cursor_field {cursor.name!r}")
        if begin is None and bookmark is not None:
            self._log("info", f"the bookmark does not belong to cursor_field {cursor.name!r}: reading all rows")
        if does_not_grow(begin):
            self._log(
                "warn",
                f"cursor_field {cursor.name!r} has UUIDs such as '{begin}', which do not grow: new rows with a lower "
                "one are not loaded. Choose another field; UUIDs of version 7 would grow",
            )
        moment = bookmarks.session_time(bookmark, begin)
        if moment and self._database.dialect.is_session_time(cursor):
            with self.translate_errors():
                begin = self._database.dialect.in_utc(self._connection, moment)
        if begin is None or not self.selection.lookback:
            return begin
        try:
            return earlier(begin, self.selection.lookback)
        except ValueError:
            raise _lookback_error(cursor, f"has the value {begin!r}") from None

    def check_lookback(self) -> None:
        """Raises `ConfigurationError` if there is a lookback, and the cursor has a type that is not of times."""
        if self.selection.cursor_field is None or not self.selection.lookback:
            return
        cursor = self._column(self.selection.cursor_field)
        if cursor.kind not in (*_TIMES, Kind.TEXT, None):
            raise _lookback_error(cursor, f"has the type {cursor.kind.value}")

    def check_cursor(self, *, all_rows: bool) -> None:
        """Raises `ConfigurationError` if the cursor is not a time; with `all_rows` also if a row is in no interval."""
        cursor = self._time()
        self._refuse_other_cursors(cursor)
        if all_rows:
            self._refuse_null_cursors(cursor)

    def within(self, interval: Interval, *, exact: bool) -> Select[Any]:
        """Rows whose cursor value lies in `interval`; unless it must be `exact`, of whole days if need be."""
        cursor = self._time()
        days_only = self._database.dialect.compares_days_only(cursor)
        if exact and days_only and (interval.start.time(), interval.end.time()) != (time(), time()):
            raise ConfigurationError(
                f"cursor_field {cursor.name!r} can only be compared by day, not by hour: "
                "'interval' must not be shorter than a day"
            )
        start, end = self._database.dialect.bounds(cursor, interval)
        expression = self._expression(cursor)
        return (
            self._everything()
            .where(expression >= self._bind("syncline_start", cursor, start))
            .where(expression < self._bind("syncline_end", cursor, end))
            .order_by(expression)
        )

    def _time(self) -> SourceColumn:
        if self.selection.cursor_field is None:
            raise ConfigurationError("reading an interval needs a 'cursor_field', and the collection has none")
        return self._column(self.selection.cursor_field)

    @property
    def _names(self) -> list[str]:
        return [each.name for each in self.columns]

    def _column(self, name: str) -> SourceColumn:
        return self.columns[self._names.index(name)]

    def _everything(self) -> Select[Any]:
        dialect = self._database.dialect
        return select(*[dialect.exact(each, self._expression(each)).label(each.name) for each in self.columns])

    def _expression(self, column_: SourceColumn) -> ColumnElement[Any]:
        return self._whole.c[column_.name]

    def _bind(self, name: str, cursor: SourceColumn, value: Any) -> ColumnElement[Any]:
        if isinstance(value, float) and self._database.dialect.may_be_single(cursor):
            value = lowest_as_single(value)
        # Untyped, so that the database compares the value as the column's own type.
        return self._database.dialect.bind(cursor, bindparam(name, value, type_=NullType()))

    def _refuse_other_cursors(self, cursor: SourceColumn) -> None:
        """Only times can lie in an interval; where the database reports no types, look at a value."""
        expression = self._from([cursor.name]).c[cursor.name]
        one = select(expression).where(expression.is_not(None)).limit(1)
        strange = self._database.dialect.strange_time_condition(expression)
        if cursor.kind not in _TIMES and cursor.kind is not None:
            found = f"has the type {cursor.kind.value}"
        elif cursor.kind is None:
            first = self._first(one)
            found = "" if not first or isinstance(first[0], date) else f"has the type {type(first[0]).__name__}"
        else:
            first = self._first(one.where(strange)) if strange is not None else None
            found = f"has the value {first[0]!r}" if first else ""
        if found:
            raise ConfigurationError(
                f"reading an interval needs a cursor_field of times or dates, but {cursor.name!r} {found}"
            )

    def _first(self, statement: Select[Any]) -> Sequence[Any] | None:
        with closing(self._execute(statement)) as result:
            return next(iter(self._fetch(result, 1)), None)

    def _refuse_null_cursors(self, cursor: SourceColumn) -> None:
        """Only the first read would find a row without a cursor value."""
        origin = self._from([cursor.name])
        is_missing = self._database.dialect.missing_condition(cursor, origin.c[cursor.name])
        missing = select(origin.c[cursor.name]).where(is_missing).limit(1)
        if self._first(missing) is not None:
            raise ConfigurationError(
                f"{self.origin} has rows where cursor_field {cursor.name!r} is NULL, which no later read "
                "would find. Choose a field that is NOT NULL, write a 'query' that filters out such rows or fills the "
                "field, or use mode 'full_refresh'"
            )

    def _refuse_misplaced_cursors(self, cursor: SourceColumn, begin: Any) -> None:
        """A row that is later than the bookmark, but sorted before it, would never be read."""
        expression = self._from([cursor.name]).c[cursor.name]
        suspects = self._database.dialect.suspects(cursor, expression, begin)
        if suspects is None:
            return
        before = expression < self._bind("syncline_cursor", cursor, begin)
        values = self._values(select(expression).where(before).where(suspects))
        with closing(values):
            found = next((value for value in values if is_misplaced(value, begin)), None)
        if found is not None:
            raise ConfigurationError(
                f"cursor_field {cursor.name!r} of {self.origin} has values in several formats, so their "
                f"order in the database does not tell what is new: {found!r} sorts before {begin!r}. "
                "Choose another field, or write a 'query' that converts all of them to one format"
            )

    def _values(self, statement: Select[Any]) -> Generator[Any, None, None]:
        """Those of its only column."""
        with closing(self._execute(statement)) as result:
            while rows := self._fetch(result, _VALUES):
                yield from (value for (value,) in rows)

    def _from(self, names: list[str]) -> FromClause:
        return _from(self.selection, names, quoted=self._database.dialect.quoted)

    def _execute(self, statement: Select[Any]) -> CursorResult[Any]:
        with self.translate_errors():
            return self._connection.execute(statement.execution_options(stream_results=True))

    def _fetch(self, result: Any, count: int) -> Sequence[Sequence[Any]]:
        with self.translate_errors():
            rows: Sequence[Sequence[Any]] = result.fetchmany(count)
        self._database.look_at_age()
        return rows

    def _rows(self, table_name: str, values: list[tuple[Any, ...]]) -> Rows:
        kept: dict[str, list[Any] | pa.Array] = {}
        for each, found in zip(self.columns, values, strict=True):
            meant = found if each.convert is None else self._convert(each, each.convert, found)
            if each.convert is not None and each.kind in _TIMES:
                self._lost[each.name] += meant.count(None) - found.count(None)
            with self.translate_errors_of(each.name):
                kept[each.name] = plain_values(meant)
        return Rows(table_name, Columns(kept), size(kept.values()))

    def _convert(self, of: SourceColumn, convert: Callable[[Any], Any], found: Sequence[Any]) -> list[Any]:
        with self.translate_errors_of(of.name):
            return [None if value is None else convert(value) for value in found]

    def translate_errors_of(self, name: str) -> AbstractContextManager[None]:
        return self._database.translate_errors(f"cannot read {self.origin}, column {name!r}")

    def _warn_of_lost_values(self) -> None:
        for name, count in (+self._lost).items():
            dates = "one value is not a date" if count == 1 else f"{count} values are not dates"
            self._log("warn", f"{self.origin}, column {name!r}: {dates}, such as 0000-00-00; loaded as NULL")


def _as_declared(column_: SourceColumn, declared: Declared | None) -> SourceColumn:
    if declared is None:
        return column_
    return replace(
        column_,
        full_type=declared.full_type or column_.full_type,
        digits=declared.digits or column_.digits,
        required=declared.required,
    )


def _from(selection: Selection, names: list[str], *, quoted: bool | None) -> FromClause:
    """What to select from; `names` are its columns, as the database writes them."""
    columns: list[ColumnClause[Any]] = [column(quoted_name(name, quote=True)) for name in names]
    if selection.query is None:
        schema = selection.schema and quoted_name(selection.schema, quote=quoted)
        return table(quoted_name(selection.table or "", quote=quoted), *columns, schema=schema).alias(_ALIAS)
    # A colon in the query is not a parameter of SQLAlchemy's, and a comment at its end needs a line end.
    query = text(selection.query.replace(":", "\\:") + "\n")
    return query.columns(*columns).subquery(_ALIAS)


def _origin(selection: Selection) -> str:
    if selection.query is not None:
        return "the query"
    return f"table {'.'.join(filter(None, [selection.schema, selection.table]))!r}"


def _lookback_error(cursor: SourceColumn, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"a 'lookback' needs a cursor_field of times or dates, but {cursor.name!r} {found}: choose another field, or "
        "remove 'lookback'"
    )


def _cursor_value(cursor: SourceColumn, value: Any) -> Any:
    """`value`, or an infinity that cannot be ordered: PostgreSQL and DuckDB return that as text."""
    return math.inf if cursor.kind in _TIMES and value == "infinity" else value
