"""From a table or query to its table, rows and checkpoints, chunk by chunk."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, column, select, table, text
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import NullType

from app.connectors.passes import Checkpoint, Rows
from app.connectors.schema import Kind, Table
from app.connectors.sources.sql import bookmark as bookmarks
from app.connectors.sources.sql.dialect import EVERYTHING
from app.connectors.sources.sql.values import kind_of, plain, size
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnClause, Connection, CursorResult, FromClause

    from app.connectors.passes import Log
    from app.connectors.sources.sql.database import Database
    from app.connectors.sources.sql.dialect import SourceColumn
    from app.connectors.sources.sql.selection import Selection

_FIRST_ROWS = 100
_CHUNK_BYTES = 4 << 20
_ALMOST = 0.99
_ALIAS = "syncline_source"


class Reading:
    """One reading inside one transaction; `columns` are those of what is selected."""

    def __init__(self, database: Database, connection: Connection, selection: Selection, *, log: Log) -> None:
        self._database = database
        self._log = log
        self._connection = connection
        self._selection = selection
        with database.explained(f"cannot read {_origin(selection)}"):
            everything = select(EVERYTHING).select_from(self._from([]))
            self.columns = database.dialect.columns(connection, everything)
        selection.check([each.name for each in self.columns])
        self._expected = self._expected_rows()
        self._read = 0

    def items(self, bookmark: str | None, *, table_name: str, chunk_rows: int) -> Iterator[Table | Rows | Checkpoint]:
        announced = Announcement(table_name, self.columns, self._selection)
        cursor_field = self._selection.cursor_field
        at = None if cursor_field is None else [each.name for each in self.columns].index(cursor_field)
        if at is not None:
            self._refuse_null_cursors(self.columns[at])
        yield from announced.changed([])
        with closing(self._executed(self._statement(bookmark))) as result:
            count = min(_FIRST_ROWS, chunk_rows)
            while chunk := self._fetched(result, count):
                values = list(zip(*chunk, strict=True))
                yield from announced.changed(values)
                rows = self._rows(table_name, values, announced.names)
                self._read += len(chunk)
                yield rows
                if at is not None:
                    yield Checkpoint(bookmarks.written(self.columns[at].name, _finite(self.columns[at], chunk[-1][at])))
                # As many as the last ones let expect to fit, but never suddenly many.
                count = min(chunk_rows, 10 * count, max(1, _CHUNK_BYTES * len(chunk) // max(1, rows.size)))
        yield from announced.finally_changed()
        if at is None:
            yield Checkpoint(None)

    def progress(self) -> float | None:
        """By an estimate, so it never says that all is read."""
        return min(self._read / self._expected, _ALMOST) if self._expected else None

    def _expected_rows(self) -> int | None:
        """Of a whole table; who has read the most of it knows not how much is new."""
        selection = self._selection
        if selection.query is not None or selection.cursor_field is not None:
            return None
        parts = [part for part in (selection.schema, selection.table) if part]
        name = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
        with self._database.explained(f"cannot read {_origin(selection)}"):
            return self._database.dialect.expected_rows(self._connection, name)

    def _statement(self, bookmark: str | None) -> Select[Any]:
        dialect, names = self._database.dialect, [each.name for each in self.columns]
        origin = self._from(names)
        statement = select(*[dialect.selected(each, origin.c[each.name]).label(each.name) for each in self.columns])
        cursor_field = self._selection.cursor_field
        if cursor_field is None:
            return statement
        begin = bookmarks.read(bookmark, cursor_field=cursor_field)
        if begin is None and bookmark is not None:
            self._log("info", f"the bookmark is not one of the cursor_field {cursor_field!r}: all rows are read")
        if begin is not None:
            cursor = self.columns[names.index(cursor_field)]
            # Of no type, so that the database compares the value as the column's own type.
            parameter = bindparam("syncline_cursor", begin, type_=NullType())
            statement = statement.where(origin.c[cursor_field] >= dialect.bound(cursor, parameter))
        return statement.order_by(origin.c[cursor_field])

    def _refuse_null_cursors(self, cursor: SourceColumn) -> None:
        """A row without a cursor value would be found by the first reading only, whatever becomes of it."""
        origin = self._from([cursor.name])
        missing = select(origin.c[cursor.name]).where(origin.c[cursor.name].is_(None)).limit(1)
        with closing(self._executed(missing)) as result:
            found = self._fetched(result, 1)
        if found:
            raise ConfigurationError(
                f"{_origin(self._selection)} has rows in which the cursor_field {cursor.name!r} is NULL, which no "
                "order finds again: choose a field that is NOT NULL, a 'query' that leaves such rows out or fills "
                "the field, or mode 'full_refresh'"
            )

    def _from(self, names: list[str]) -> FromClause:
        return _from(self._selection, names, quoted=self._database.dialect.quoted)

    def _executed(self, statement: Select[Any]) -> CursorResult[Any]:
        with self._database.explained(f"cannot read {_origin(self._selection)}"):
            return self._connection.execute(statement.execution_options(stream_results=True))

    def _fetched(self, result: CursorResult[Any], count: int) -> Sequence[Sequence[Any]]:
        with self._database.explained(f"cannot read {_origin(self._selection)}"):
            return result.fetchmany(count)

    def _rows(self, table_name: str, values: list[tuple[Any, ...]], names: set[str]) -> Rows:
        kept: dict[str, list[Any]] = {}
        for each, found in zip(self.columns, values, strict=True):
            if each.name in names:
                meant = found if each.converted is None else map(_present(each.converted), found)
                kept[each.name] = plain(meant)
        records = [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)]
        return Rows(table_name, records, size(kept.values()))


class Announcement:
    """The table as far as its columns are known: where a database tells no types, the first values do."""

    def __init__(self, name: str, columns: list[SourceColumn], selection: Selection) -> None:
        self._name = name
        self._kinds = {each.name: each.kind for each in columns}
        self._selection = selection
        self._announced: set[str] | None = None

    @property
    def names(self) -> set[str]:
        return self._announced or set()

    def changed(self, values: list[tuple[Any, ...]]) -> Iterator[Table]:
        """The table again, if columns are new in it since these values (one tuple for each column) came."""
        for (name, kind), found in zip(list(self._kinds.items()), values, strict=False):
            self._kinds[name] = kind or kind_of(found)
        if values and not self._suffices(self._known()):
            self._settle()
        known = self._known()
        if self._suffices(known) and known != self._announced:
            yield self._table(known)

    def finally_changed(self) -> Iterator[Table]:
        """A table without rows has its columns, too."""
        if self._announced is None:
            self._settle()
            yield self._table(self._known())

    def _known(self) -> set[str]:
        return {name for name, kind in self._kinds.items() if kind}

    def _suffices(self, known: set[str]) -> bool:
        return bool(known) and {*self._selection.key, *filter(None, [self._selection.cursor_field])} <= known

    def _settle(self) -> None:
        """Text takes whatever comes later."""
        self._kinds = {name: kind or Kind.TEXT for name, kind in self._kinds.items()}

    def _table(self, names: set[str]) -> Table:
        self._announced = names
        return Table(
            name=self._name,
            columns={name: kind for name, kind in self._kinds.items() if name in names and kind},
            key=self._selection.key,
            cursor_field=self._selection.cursor_field,
            full_refresh=self._selection.cursor_field is None,
        )


def _from(selection: Selection, names: list[str], *, quoted: bool | None) -> FromClause:
    """What is selected; `names` are columns of it, as the database itself writes them."""
    columns: list[ColumnClause[Any]] = [column(quoted_name(name, quote=True)) for name in names]
    if selection.query is None:
        schema = selection.schema and quoted_name(selection.schema, quote=quoted)
        return table(quoted_name(selection.table or "", quote=quoted), *columns, schema=schema).alias(_ALIAS)
    # A colon of the user's is none of SQLAlchemy's parameters, and a comment ends with its line.
    query = text(selection.query.replace(":", "\\:") + "\n")
    return query.columns(*columns).subquery(_ALIAS)


def _origin(selection: Selection) -> str:
    if selection.query is not None:
        return "the query"
    return "table " + ".".join(filter(None, [selection.schema, selection.table]))


def _present(converted: Any) -> Any:
    return lambda value: None if value is None else converted(value)


def _finite(cursor: SourceColumn, value: Any) -> Any:
    """`value`, where it is no point in time that nothing comes after; those of PostgreSQL and DuckDB are texts here."""
    return math.inf if cursor.kind in (Kind.TIMESTAMP, Kind.DATE) and value == "infinity" else value
