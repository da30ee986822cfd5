"""SQLite: columns have declared types, but any column may hold any value."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, not_, or_, true
from sqlalchemy.schema import CreateView

from app.connectors.contract.schema import Kind
from app.connectors.sources.sql.dialect import Dialect, SourceColumn, describe_columns
from app.connectors.values.cursors import UnorderedError, is_earlier
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

_IS_MISPLACED = "syncline_is_misplaced"
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_DATED_FORM = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"
_FARTHEST_ZONES = 2  # days; no two zones differ by more
# Formats whose order is not that of their characters: zone offsets, day first, AM and PM, names of days, exponents, and
# negative numbers.
_HAS_NO_ORDER = re.compile(
    r"\d[+-]\d\d:?\d\d$|^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d ?[AaPp]\.?[Mm]\b|^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)|"
    r"^-?\d+(\.\d+)?[Ee]|^-"
)


class Sqlite(Dialect):
    quoted = True

    def address(self, url: URL) -> URL:
        return require_file(url, "sqlite:////path/to/the.file")

    def begin(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.create_function(_IS_MISPLACED, 2, _is_misplaced, deterministic=True)
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        """A view knows the declared types of the columns that it selects; a cursor does not."""
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        connection.execute(CreateView(everything, "syncline_described", temporary=True))
        declared = connection.exec_driver_sql("PRAGMA temp.table_info(syncline_described)").fetchall()
        connection.exec_driver_sql("DROP VIEW temp.syncline_described")
        connection.exec_driver_sql("PRAGMA query_only = ON")
        names = [name for name, *_ in describe_columns(connection, everything)]
        return [_column(name, row[2].upper()) for name, row in zip(names, declared, strict=True)]

    def may_be_single(self, column: SourceColumn) -> bool:  # noqa: ARG002 -- all are doubles
        return False

    def misplaced_condition(self, expression: ColumnElement[Any], bookmark: Any) -> ColumnElement[bool] | None:
        """SQLite sorts numbers before text and text before bytes, and text by its characters."""
        if not isinstance(bookmark, str):
            return func.typeof(expression) != "blob" if isinstance(bookmark, bytes) else None
        # Values whose form alone shows their order are skipped: there may be millions.
        if _DATED.match(bookmark) and (day := _day_before(bookmark)):
            candidates = or_(expression >= day, not_(expression.op("GLOB")(_DATED_FORM)))
        elif _HAS_NO_ORDER.search(bookmark):
            candidates = true()
        else:
            form = re.sub("[0-9]", "[0-9]", re.sub(r"[*?\[]", r"[\g<0>]", bookmark))
            candidates = or_(func.typeof(expression) != "text", not_(expression.op("GLOB")(form)))
        return and_(expression < bookmark, candidates, getattr(func, _IS_MISPLACED)(expression, bookmark) == 1)

    def compares_days_only(self, column: SourceColumn) -> bool:  # noqa: ARG002 -- all are texts
        """Some times have a space between day and time, and some a T."""
        return True

    def strange_time_condition(self, expression: ColumnElement[Any]) -> ColumnElement[bool]:
        return func.typeof(expression) != "text"


def _day_before(moment: str) -> str | None:
    """A day that ended before `moment` in every zone, so that any text before it is an earlier time."""
    try:
        return (date.fromisoformat(moment[:10]) - timedelta(days=_FARTHEST_ZONES)).isoformat()
    except (ValueError, OverflowError):
        return None


def _is_misplaced(value: Any, bookmark: str) -> bool:
    """Whether `value`, which SQLite sorts before `bookmark`, is not earlier, or of another kind.

    A row with the same moment in another form may have come after the bookmark, and would not be read.
    """
    try:
        return not isinstance(value, str) or not is_earlier(value, bookmark)
    except UnorderedError:
        return True


def require_file(url: URL, form: str) -> URL:
    """`url`; raises `ConfigurationError` unless its file exists: drivers would create an empty one."""
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(f"'url' does not name a file; write {form}")
    if not url.database.startswith("file:") and not Path(url.database).is_file():
        raise ConfigurationError(f"'url': the file {url.database!r} does not exist")
    return url


def _column(name: str, declared: str) -> SourceColumn:
    kind = next((kind for part, kind in _KINDS if part in declared), None)
    return SourceColumn(name, kind, convert=_boolean if kind is Kind.BOOLEAN else None, type=declared)


def _boolean(value: Any) -> Any:
    """SQLite has no Booleans, only 0 and 1."""
    return bool(value) if value in (0, 1) else value
