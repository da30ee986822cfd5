"""PostgreSQL through psycopg: values come as PostgreSQL's own text wherever Python's types would lose something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import JsonLoader, set_json_loads
from psycopg.types.string import TextLoader
from sqlalchemy import Text, cast, column, func, select, table

from app.connectors.contract.keepalive import LIBPQ
from app.connectors.contract.schema import Digits, Kind
from app.connectors.sources.sql.dialect import Declared, Dialect, FoundTable, SourceColumn, describe_columns
from app.connectors.sources.sql.values import json_value
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg.abc import Buffer
    from sqlalchemy import URL, ColumnElement, Connection, Select

    from app.domain.interval import Interval

_CONNECTION = {"connect_timeout": 15, **LIBPQ}
_KINDS = {
    "bool": Kind.BOOLEAN,
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "oid": Kind.INTEGER,
    "float4": Kind.FLOAT,
    "float8": Kind.FLOAT,
    "numeric": Kind.DECIMAL,
    "bytea": Kind.BYTES,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "timestamp": Kind.LOCAL_TIMESTAMP,
    "timestamptz": Kind.TIMESTAMP,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "interval": Kind.INTERVAL,
    "uuid": Kind.UUID,
}
# Without a name: those that psycopg does not know, citext for one.
_STRINGS = ("text", "varchar", "bpchar", "")
# Python's dates end in the year 9999 and have no infinity, its intervals no months.
_AS_TEXT = ("timestamp", "timestamptz", "date", "time", "timetz", "interval", "uuid", "inet", "cidr")
SETTINGS = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, MDY'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL lock_timeout = '60s'",
    # A destination may take long between two chunks.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)

_REQUIRED = """
    SELECT attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attrelid = to_regclass(%s) AND relkind IN ('r', 'p') AND attnotnull AND attnum > 0 AND NOT attisdropped
      AND NOT EXISTS (
          SELECT FROM pg_constraint
          WHERE conrelid = attrelid AND contype = 'n' AND NOT convalidated AND conkey = ARRAY[attnum]
      )
"""


_PARTITIONS = """
    SELECT nspname::text, relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relispartition
"""


class Postgres(Dialect):
    quoted = True
    savepoints = True
    harm_of_old_snapshots = "PostgreSQL can vacuum no row that was changed or deleted since, in any table"
    isolation = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012 -- never changed

    def arguments(self, url: URL, work_dir: Path) -> dict[str, Any]:  # noqa: ARG002 -- nothing is kept in files
        return {key: str(value) for key, value in _CONNECTION.items() if key not in url.query}

    def session_name(self, url: URL, name: str) -> dict[str, Any]:
        return {} if "application_name" in url.query else {"application_name": name}

    def begin(self, connection: Connection) -> None:
        for setting in SETTINGS:
            connection.exec_driver_sql(setting)
        driver: Any = connection.connection.driver_connection
        driver.prepare_threshold = None  # behind a pooler, others would get the prepared statements
        set_json_loads(jsontext.decode, driver)
        driver.adapters.register_loader("json", _JsonLoader)
        for name in _AS_TEXT:
            driver.adapters.register_loader(name, TextLoader)
        for info in driver.adapters.types:
            if info.name.endswith(("range", "multirange")):
                driver.adapters.register_loader(info.oid, TextLoader)

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        driver: Any = connection.connection.driver_connection
        known = driver.adapters.types
        return [_column(each, known.get(each.type_code)) for each in describe_columns(connection, everything)]

    def declared(self, connection: Connection, table: str, schema: str | None) -> dict[str, Declared]:
        """Which columns are NOT NULL; PostgreSQL does not enforce that for foreign tables."""
        found = connection.exec_driver_sql(_REQUIRED, (_quoted(schema, table),))
        return {name: Declared(required=True) for (name,) in found}

    def tables(self, connection: Connection, schema: str | None) -> list[FoundTable]:
        """Without partitions: their rows come with those of the whole table."""
        partitions = {tuple(found) for found in connection.exec_driver_sql(_PARTITIONS)}
        return [each for each in super().tables(connection, schema) if (each.home, each.name) not in partitions]

    def expected_rows(self, connection: Connection, name: str) -> int | None:
        """What the last ANALYZE or VACUUM found; None before the first."""
        known: Select[Any] = select(column("reltuples")).select_from(table("pg_class"))
        found: float | None = connection.execute(known.where(column("oid") == func.to_regclass(name))).scalar()
        return int(found) if found is not None and found > 0 else None

    def may_be_single(self, column: SourceColumn) -> bool:
        return column.type == "float4"

    def suspects(
        self, column: SourceColumn, expression: ColumnElement[Any], bookmark: Any
    ) -> ColumnElement[bool] | None:
        """Other types that come as text have an order of their own, and some collations do not know LIKE."""
        if column.type not in _STRINGS or not isinstance(bookmark, str):
            return None
        # The cast takes the blanks away that CHAR adds.
        return super().suspects(column, cast(expression, Text).collate("C"), bookmark.rstrip())

    def bounds(self, column: SourceColumn, interval: Interval) -> tuple[Any, Any]:
        # A column without a zone is in UTC: for it PostgreSQL ignores the offset.
        if column.kind is Kind.DATE:
            return super().bounds(column, interval)
        return interval.start.isoformat(sep=" "), interval.end.isoformat(sep=" ")


class _JsonLoader(JsonLoader):
    """For `json`, which keeps the text as it was written; `jsonb` has no name twice."""

    def load(self, data: Buffer) -> Any:
        return json_value(bytes(data).decode())


def _column(described: Any, info: Any) -> SourceColumn:
    """Arrays are JSON; types that psycopg does not know, such as enumerations, arrive as text."""
    if info is None:
        return SourceColumn(described.name, Kind.TEXT)
    return SourceColumn(
        described.name,
        Kind.JSON if described.type_code == info.array_oid else _KINDS.get(info.name, Kind.TEXT),
        type=info.name,
        full_type=described.type_display,
        digits=Digits.of(described.precision, described.scale) if info.name == "numeric" else None,
    )


def _quoted(*names: str | None) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)
