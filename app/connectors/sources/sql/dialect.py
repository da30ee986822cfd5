"""What a kind of database needs to be read without loss."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, inspect, literal_column
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SQLAlchemyError

from app.connectors.contract.schema import Digits, Kind
from app.connectors.sources.sql.suspects import suspicious_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy import URL, ColumnElement, Inspector, Select

    from app.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of what is read. `kind` None: the values decide.

    `convert` turns the driver's value into what it means, which may be None; without it, the value is as it is. `type`
    is the database's name for the type, `full_type` the same with its length or digits. `digits` are those of a decimal
    number, where the database declares and enforces them. A `required` column is never NULL.
    """

    name: str
    kind: Kind | None = None
    convert: Callable[[Any], Any] | None = None
    type: str = ""
    full_type: str = ""
    digits: Digits | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """What the declaration of a table says about a column, beyond what its rows do."""

    full_type: str = ""
    digits: Digits | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view. `schema` None: the default schema; `home` is its schema in any case.

    `required` are the columns that cannot be NULL; None where that is unknown, as in a view.
    """

    schema: str | None
    name: str
    key: tuple[str, ...] = ()
    required: frozenset[str] | None = None
    home: str | None = None
    columns: tuple[str, ...] = ()
    is_view: bool = False


class Dialect:
    """Any database, with no knowledge of its own: columns get their kinds from the values."""

    isolation: dict[str, Any] = {}  # noqa: RUF012 -- of the class, never changed
    """Execution options of the connection, so that all its statements see one state of the database."""

    quoted: bool | None = None
    """Whether table names are quoted; None: only where they have to be."""

    savepoints = False
    """Whether a failed statement aborts the whole transaction unless a savepoint precedes it."""

    harm_of_old_snapshots = ""
    """What the database cannot do while a snapshot is read, as part of a sentence; empty: nothing."""

    begins_again = False
    """Whether a failed statement aborts the transaction, and another one sees the same: nobody else can write."""

    def address(self, url: URL) -> URL:
        """`url` as the driver takes it; raises `ConfigurationError` if it cannot be a source."""
        return url

    def arguments(self, url: URL, work_dir: Path) -> dict[str, Any]:  # noqa: ARG002 -- for those that need them
        """What the driver is given besides the URL."""
        return {}

    def session_name(self, url: URL, name: str) -> dict[str, Any]:  # noqa: ARG002 -- likewise
        """What the driver is given besides, so that the server shows the session under `name`."""
        return {}

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        """The columns of what `everything` selects."""
        return [SourceColumn(name) for name, *_ in describe_columns(connection, everything)]

    def declared(self, connection: Connection, table: str, schema: str | None) -> dict[str, Declared]:  # noqa: ARG002
        """What `columns` does not know about the columns of a table; nothing about what is not one."""
        return {}

    def begin(self, connection: Connection) -> None:
        """Begins the transaction in which everything is read, where the driver does not begin it by itself."""

    def expected_rows(self, connection: Connection, name: str) -> int | None:  # noqa: ARG002 -- for those that know
        """About how many rows the table `name` (quoted, qualified) has, if that costs nothing to find out."""
        return None

    def exact(self, column: SourceColumn, expression: ColumnElement[Any]) -> ColumnElement[Any]:  # noqa: ARG002
        """The expression for which the driver returns this column's exact value."""
        return expression

    def tables(self, connection: Connection, schema: str | None) -> list[FoundTable]:
        """What is in `schema`, or in every schema that is not the database's own, in order of the names."""
        inspector = inspect(connection)
        default = schema or inspector.default_schema_name
        found: list[FoundTable] = []
        for each in [schema] if schema else sorted(set(inspector.get_schema_names()) - _SYSTEM_SCHEMAS):
            views = set(inspector.get_view_names(schema=each))
            tables = set(inspector.get_table_names(schema=each))
            columns = _columns_by_table(inspector, each, views)
            keys = inspector.get_multi_pk_constraint(schema=each)
            for table, table_columns in sorted(columns.items(), key=lambda one: one[0][1]):
                name = table[1]
                key = tuple(keys[table]["constrained_columns"]) if keys.get(table) else ()
                never_null = {column["name"] for column in table_columns if not column["nullable"]} | {*key}
                found.append(
                    FoundTable(
                        schema=None if each == default else each,
                        name=name,
                        key=key,
                        required=None if name in views else frozenset(never_null),
                        home=each,
                        columns=tuple(column["name"] for column in table_columns),
                        is_view=name not in tables,
                    )
                )
        return found

    def bind(self, column: SourceColumn, parameter: ColumnElement[Any]) -> ColumnElement[Any]:  # noqa: ARG002
        """`parameter`, an earlier value of this column, in a form to compare with the column."""
        return parameter

    def missing_condition(self, column: SourceColumn, expression: ColumnElement[Any]) -> ColumnElement[bool]:  # noqa: ARG002
        """The condition for rows that have no value in `column`."""
        return expression.is_(None)

    def is_session_time(self, column: SourceColumn) -> bool:  # noqa: ARG002
        """Whether times of `column` come without a zone, as local times in the session's zone."""
        return False

    def in_utc(self, connection: Connection, moment: datetime) -> datetime:  # noqa: ARG002
        """`moment`, an earlier release's bookmark in the zone of its session, in UTC."""
        return moment

    def may_be_single(self, column: SourceColumn) -> bool:  # noqa: ARG002
        """Whether `column` may hold binary floats of 32 bits, which are compared with a parameter as doubles."""
        return True

    def suspects(
        self, column: SourceColumn, expression: ColumnElement[Any], bookmark: Any
    ) -> ColumnElement[bool] | None:
        """The condition for cursor values that may not be earlier than `bookmark` although the database sorts them so.

        None: there are none.
        """
        is_text = isinstance(bookmark, str) and column.kind in (None, Kind.TEXT)
        return suspicious_texts(expression, bookmark) if is_text else None

    def compares_days_only(self, column: SourceColumn) -> bool:
        """Whether comparing cannot distinguish times of one day."""
        return column.kind is Kind.DATE

    def bounds(self, column: SourceColumn, interval: Interval) -> tuple[Any, Any]:
        """The first value in `interval` and the first one after it; of days, whole ones."""
        if self.compares_days_only(column):
            start, end = whole_days(interval)
            return start.isoformat(), end.isoformat()
        return interval.start.replace(tzinfo=None), interval.end.replace(tzinfo=None)

    def strange_time_condition(self, expression: ColumnElement[Any]) -> ColumnElement[bool] | None:  # noqa: ARG002
        """The condition for values in a column of times that no comparison finds; None: there are none."""
        return None


def whole_days(interval: Interval) -> tuple[date, date]:
    """The first day that `interval` touches, and the first one after it."""
    last = (interval.end - timedelta(microseconds=1)).date()
    return interval.start.date(), last if last == date.max else last + timedelta(days=1)


def _columns_by_table(inspector: Inspector, schema: str, views: set[str]) -> Mapping[Any, list[Any]]:
    """The columns of each table and view by (schema, name); none for a view that can no longer be used."""
    try:
        return inspector.get_multi_columns(schema=schema, kind=ObjectKind.ANY)
    except SQLAlchemyError:
        found: dict[Any, list[Any]] = dict(inspector.get_multi_columns(schema=schema))
    for view in views:
        found[schema, view] = []
        with suppress(SQLAlchemyError):
            found[schema, view] = list(inspector.get_columns(view, schema))
    return found


def describe_columns(connection: Connection, everything: Select[Any]) -> list[Any]:
    """(name, the driver's code of the type, …) of each column, as PEP 249 describes it."""
    cursor = connection.execute(everything.limit(0)).cursor
    return list((cursor and cursor.description) or ())


_SYSTEM_SCHEMAS: Final = frozenset({"information_schema", "mysql", "performance_schema", "sys", "INFORMATION_SCHEMA"})
EVERYTHING: Final[ColumnElement[Any]] = literal_column("*")
