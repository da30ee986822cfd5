"""SQLite: columns have declared types, but any column may hold any value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, text
from sqlalchemy.schema import CreateView

from app.connectors.contract.schema import Kind
from app.connectors.sources.sql.dialect import Declared, Dialect, SourceColumn, describe_columns
from app.connectors.sources.sql.suspects import suspicious_texts
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import URL, ColumnElement, Connection, Select

# Parts of declared types' names, in the order of SQLite's own rules: https://www.sqlite.org/datatype3.html
_KINDS = (
    ("BOOL", Kind.BOOLEAN),
    ("INT", Kind.INTEGER),
    ("CHAR", Kind.TEXT),
    ("CLOB", Kind.TEXT),
    ("TEXT", Kind.TEXT),
    ("BLOB", Kind.BYTES),
    ("REAL", Kind.FLOAT),
    ("FLOA", Kind.FLOAT),
    ("DOUB", Kind.FLOAT),
    ("NUMERIC", Kind.NUMBER),
    ("DECIMAL", Kind.NUMBER),
    ("DATETIME", Kind.TIMESTAMP),
    ("TIMESTAMP", Kind.TIMESTAMP),
    ("DATE", Kind.DATE),
    ("TIME", Kind.TIME),
)

_REQUIRED = text('SELECT name FROM pragma_table_info(:name, :schema) WHERE "notnull"')


class Sqlite(Dialect):
    quoted = True

    def address(self, url: URL) -> URL:
        return require_file(url, "sqlite:////path/to/the.file")

    def begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        """A view knows the declared types of the columns that it selects; a cursor does not."""
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        connection.execute(CreateView(everything, "syncline_described", temporary=True))
        try:
            declared = connection.exec_driver_sql("PRAGMA temp.table_info(syncline_described)").fetchall()
        finally:
            connection.exec_driver_sql("DROP VIEW temp.syncline_described")
            connection.exec_driver_sql("PRAGMA query_only = ON")
        names = [name for name, *_ in describe_columns(connection, everything)]
        return [_column(name, row[2].upper()) for name, row in zip(names, declared, strict=True)]

    def declared(self, connection: Connection, table: str, schema: str | None) -> dict[str, Declared]:
        found = connection.execute(_REQUIRED, {"name": table, "schema": schema or "main"})
        return {name: Declared(required=True) for (name,) in found}

    def may_be_single(self, column: SourceColumn) -> bool:  # noqa: ARG002 -- all are doubles
        return False

    def suspects(
        self,
        column: SourceColumn,  # noqa: ARG002 -- any may hold text
        expression: ColumnElement[Any],
        bookmark: Any,
    ) -> ColumnElement[bool] | None:
        """SQLite sorts numbers before text and text before bytes."""
        if isinstance(bookmark, bytes):
            return func.typeof(expression) != "blob"
        if not isinstance(bookmark, str):
            return None
        numbers, texts = func.typeof(expression) != "text", suspicious_texts(expression, bookmark)
        return numbers if texts is None else or_(numbers, texts)

    def compares_days_only(self, column: SourceColumn) -> bool:  # noqa: ARG002 -- all are texts
        """Some times have a space between day and time, and some a T."""
        return True

    def strange_time_condition(self, expression: ColumnElement[Any]) -> ColumnElement[bool]:
        return func.typeof(expression) != "text"


def require_file(url: URL, form: str) -> URL:
    """`url`; raises `ConfigurationError` unless its file exists: drivers would create an empty one."""
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(f"'url' does not name a file; write {form}")
    if not url.database.startswith("file:") and not Path(url.database).is_file():
        raise ConfigurationError(f"'url': the file {url.database!r} does not exist")
    return url


def _column(name: str, declared: str) -> SourceColumn:
    kind = next((kind for part, kind in _KINDS if part in declared), None)
    return SourceColumn(
        name, kind, convert=_boolean if kind is Kind.BOOLEAN else None, type=declared, full_type=declared
    )


def _boolean(value: Any) -> Any:
    """SQLite has no Booleans, only 0 and 1."""
    return bool(value) if value in (0, 1) else value
