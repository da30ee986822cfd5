"""DuckDB: what Python's types would truncate, such as nanoseconds and months, comes as DuckDB's own text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, Text, cast, func
from sqlalchemy.types import UserDefinedType

from app.connectors.contract.schema import Digits, Kind
from app.connectors.sources.sql.dialect import Declared, Dialect, FoundTable, SourceColumn, describe_columns
from app.connectors.sources.sql.sqlite import require_file
from app.connectors.sources.sql.values import json_value

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL, ColumnElement, Connection, Select

    from app.domain.interval import Interval

_SETTINGS = {"memory_limit": "128MB", "threads": 2, "autoinstall_known_extensions": False}
_KINDS = {
    "BOOLEAN": Kind.BOOLEAN,
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), Kind.INTEGER),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), Kind.INTEGER),
    **dict.fromkeys(("UBIGINT", "HUGEINT", "UHUGEINT"), Kind.BIG_INTEGER),
    **dict.fromkeys(("FLOAT", "DOUBLE"), Kind.FLOAT),
    "DECIMAL": Kind.DECIMAL,
    "VARCHAR": Kind.TEXT,
    "BLOB": Kind.BYTES,
    "DATE": Kind.DATE,
    "TIME": Kind.TIME,
    "INTERVAL": Kind.INTERVAL,
    "UUID": Kind.UUID,
    "JSON": Kind.JSON,
}
_SELECTED_DIRECTLY = {Kind.BOOLEAN, Kind.INTEGER, Kind.BIG_INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.BYTES}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_NESTED = re.compile(r"STRUCT\(|MAP\(|UNION\(|.*\[\d*\]$", re.DOTALL)


# SQLAlchemy's inspector treats DuckDB as PostgreSQL; DuckDB's own functions know more.
_TABLES = """
    WITH found AS (
        SELECT schema_name, table_name AS name, false AS is_view FROM duckdb_tables()
        WHERE database_name = current_database() AND NOT internal
        UNION ALL
        SELECT schema_name, view_name, true FROM duckdb_views()
        WHERE database_name = current_database() AND NOT internal
    ), keys AS (
        SELECT schema_name, table_name AS name, constraint_column_names AS key FROM duckdb_constraints()
        WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'
    ), described AS (
        SELECT schema_name, table_name AS name, list(column_name) AS columns,
               list(column_name) FILTER (NOT is_nullable) AS required
        FROM duckdb_columns() WHERE database_name = current_database() GROUP BY ALL
    )
    SELECT schema_name, name, is_view, key, columns, required
    FROM found LEFT JOIN keys USING (schema_name, name) LEFT JOIN described USING (schema_name, name)
    ORDER BY schema_name, name
"""

_REQUIRED = """
    SELECT column_name FROM duckdb_columns()
    WHERE database_name = current_database() AND lower(schema_name) = lower(coalesce(?, current_schema()))
      AND lower(table_name) = lower(?) AND NOT is_nullable
"""


class Duckdb(Dialect):
    quoted = True
    begins_again = True

    def address(self, url: URL) -> URL:
        return url if str(url.database).startswith("md:") else require_file(url, "duckdb:////path/to/the.file")

    def arguments(self, url: URL, work_dir: Path) -> dict[str, Any]:
        """Read-only, so that others can read the file, too; what does not fit into memory spills to disk."""
        if str(url.database).startswith("md:"):
            return {}
        return {"read_only": True, "config": _SETTINGS | {"temp_directory": str(work_dir / "spill-source")}}

    def begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET TimeZone = 'UTC'")

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        return [_column(name, str(code)) for name, code, *_ in describe_columns(connection, everything)]

    def declared(self, connection: Connection, table: str, schema: str | None) -> dict[str, Declared]:
        found = connection.exec_driver_sql(_REQUIRED, (schema, table))
        return {name: Declared(required=True) for (name,) in found.fetchall()}

    def tables(self, connection: Connection, schema: str | None) -> list[FoundTable]:
        default = schema or "main"
        return [
            FoundTable(
                schema=None if found == default else found,
                name=name,
                key=tuple(key or ()),
                required=None if is_view else frozenset(required or ()),
                home=found,
                columns=tuple(columns or ()),
                is_view=is_view,
            )
            for found, name, is_view, key, columns, required in connection.exec_driver_sql(_TABLES).fetchall()
            if schema in (None, found)
        ]

    def exact(self, column: SourceColumn, expression: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.type == "FLOAT":
            # Cast to a double directly, a float's 0.1 becomes 0.10000000149.
            return cast(cast(expression, Text), Double)
        if column.kind in _SELECTED_DIRECTLY:
            return expression
        return cast(func.to_json(expression) if _NESTED.match(column.type) else expression, Text)

    def bind(self, column: SourceColumn, parameter: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(parameter, _NamedType(column.type))

    def may_be_single(self, column: SourceColumn) -> bool:  # noqa: ARG002 -- `bind` makes it the column's own type
        return False

    def suspects(
        self, column: SourceColumn, expression: ColumnElement[Any], bookmark: Any
    ) -> ColumnElement[bool] | None:
        """Many types come as text, but are compared as what they are."""
        return super().suspects(column, expression, bookmark) if column.type == "VARCHAR" else None

    def bounds(self, column: SourceColumn, interval: Interval) -> tuple[Any, Any]:
        start, end = super().bounds(column, interval)
        zone = "+00" if "TIME ZONE" in column.type else ""
        return (start, end) if column.kind is Kind.DATE else (f"{start}{zone}", f"{end}{zone}")


class _NamedType(UserDefinedType[Any]):
    """A type by its name in the database."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


def _column(name: str, type_name: str) -> SourceColumn:
    base = type_name.partition("(")[0]
    if _NESTED.match(type_name):
        kind = Kind.JSON
    elif base.startswith("TIMESTAMP"):
        kind = Kind.TIMESTAMP if type_name.endswith("TIME ZONE") else Kind.LOCAL_TIMESTAMP
    else:
        kind = _KINDS.get(base, Kind.TEXT)
    decimal = _DECIMAL.fullmatch(type_name)
    return SourceColumn(
        name,
        kind,
        convert=json_value if kind is Kind.JSON else None,
        type=type_name,
        full_type=type_name,
        digits=Digits(int(decimal[1]), int(decimal[2])) if decimal else None,
    )
