"""The tables of a DuckDB file."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import MOST_DIGITS, Digits, Kind
from app.connectors.destinations.duckdb.file import TARGET
from app.connectors.destinations.duckdb.intervals import Interval
from app.connectors.destinations.duckdb.obstacles import check_obstacles, naming_obstacles
from app.connectors.values import casting, times
from app.connectors.values.fitting import Column
from app.connectors.warehouse.layout import quoted
from app.connectors.warehouse.tables import Tables
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from app.connectors.contract.schema import Table
    from app.connectors.values.casting import Holds
    from app.connectors.values.widening import Needed
    from app.connectors.warehouse.changes import Step
    from app.connectors.warehouse.session import Session
    from app.domain.naming import Naming

# Numbers of unknown size become doubles, and one that a double cannot keep is refused: DuckDB's decimals have a fixed
# scale, and what JSON calls a number may be 1e-30.
_NEW_TYPES: dict[Kind, str] = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.BIG_INTEGER: "HUGEINT",
    Kind.NUMBER: "DOUBLE",
    Kind.FLOAT: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.LOCAL_TIMESTAMP: "TIMESTAMP",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.INTERVAL: "INTERVAL",
    Kind.UUID: "UUID",
    Kind.JSON: "JSON",
    Kind.BYTES: "BLOB",
}


_INTEGERS = (_NEW_TYPES[Kind.INTEGER], _NEW_TYPES[Kind.BIG_INTEGER])
_HUGE = casting.Integer.signed(128)
# What a column holds, and the Arrow type of its values; JSON and types that only DuckDB knows are sent as strings.
_TYPES: dict[str, tuple[Holds, pa.DataType]] = {
    "BOOLEAN": (casting.Boolean(), pa.bool_()),
    "TINYINT": (casting.Integer.signed(8), pa.int8()),
    "SMALLINT": (casting.Integer.signed(16), pa.int16()),
    "INTEGER": (casting.Integer.signed(32), pa.int32()),
    "BIGINT": (casting.Integer.signed(64), pa.int64()),
    "UTINYINT": (casting.Integer.unsigned(8), pa.uint8()),
    "USMALLINT": (casting.Integer.unsigned(16), pa.uint16()),
    "UINTEGER": (casting.Integer.unsigned(32), pa.uint32()),
    "UBIGINT": (casting.Integer.unsigned(64), pa.uint64()),
    "HUGEINT": (_HUGE, pa.string()),
    "FLOAT": (casting.Floating(32, non_finite=True), pa.float32()),
    "DOUBLE": (casting.Floating(64, non_finite=True), pa.float64()),
    "VARCHAR": (casting.Text(nul=True), pa.string()),
    "JSON": (casting.Json(nul=True, canonical=True), pa.string()),
    "UUID": (casting.Uuid(), pa.string()),
    "BLOB": (casting.Bytes(), pa.binary()),
    "DATE": (times.Date(infinite=True), pa.date32()),
    "TIME": (times.TimeOfDay(midnight=True), pa.time64("us")),
    "TIMESTAMP": (times.Timestamp(zone=False, infinite=True), pa.timestamp("us")),
    "TIMESTAMP WITH TIME ZONE": (times.Timestamp(zone=True, infinite=True), pa.timestamp("us", tz="UTC")),
    "INTERVAL": (Interval(), pa.string()),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def existing_columns(session: Session, schema: str, table: str) -> list[tuple[str, str]]:
    """Name and type of each column of a table of the target; empty if there is no such table."""
    found = session.rows(
        """
        SELECT column_name, data_type FROM duckdb_columns()
        WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
        """,
        *(TARGET, schema, table),
    )
    return [(name, kind) for name, kind in found]


class DuckdbTables(Tables):
    def __init__(self, session: Session, *, schema: str, naming: Naming) -> None:
        super().__init__(session, naming=naming)
        self._schema = schema

    def make_schema(self) -> None:
        self._session.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(TARGET, self._schema)}")

    def qualified(self, name: str) -> str:
        return quoted(TARGET, self._schema, name)

    def name_for_users(self, name: str) -> str:
        return quoted(self._schema, name)

    def column_name(self, name: str) -> str:
        return self._named(name)

    def name_key(self, name: str) -> str:
        """DuckDB ignores the case of names."""
        return name.lower()

    def columns_of(self, name: str) -> dict[str, tuple[str, str]]:
        found = existing_columns(self._session, self._schema, name)
        return {column.lower(): (column, kind) for column, kind in found}

    def _commented_columns(self, name: str, comment: str) -> list[str]:
        found = self._session.rows(
            """
            SELECT column_name FROM duckdb_columns()
            WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
              AND comment = $4
            """,
            *(TARGET, self._schema, name, comment),
        )
        return [column for (column,) in found]

    def _can_relax(self, name: str) -> bool:
        """DuckDB does not change columns of a table with indexes; a NULL that comes then is refused with what to do."""
        return not self._indexes(name)

    def _indexes(self, name: str) -> list[str]:
        """The quoted names of the table's indexes."""
        found = self._session.rows(
            """
            SELECT index_name FROM duckdb_indexes()
            WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
            ORDER BY index_name
            """,
            *(TARGET, self._schema, name),
        )
        return [quoted(self._schema, index) for (index,) in found]

    def new_type(self, kind: Kind, digits: Digits | None) -> str:
        return new_type(kind, digits)

    def alteration(self, qualified: str, column: Column, type_: str) -> str:
        return alteration(qualified, column, type_)

    def _new_type_for(self, needed: Needed, *, declared: bool) -> str:
        """Text, for a decimal with more digits than DuckDB's have."""
        too_long = needed.digits is not None and needed.digits.precision > MOST_DIGITS
        return _NEW_TYPES[Kind.TEXT] if too_long else super()._new_type_for(needed, declared=declared)

    def column(self, name: str, type_name: str) -> Column:
        return column(name, type_name)

    def _refused_name(self, name: str) -> str | None:
        return None if name and "\0" not in name else "must not be empty or contain U+0000"

    def _comment(self, name: str) -> str | None:
        row = self._session.row(
            """
            SELECT coalesce(comment, '') FROM duckdb_tables()
            WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
            """,
            *(TARGET, self._schema, name),
        )
        return None if row is None else str(row[0])

    def _creating(self, qualified: str, table: Table, names: dict[str, str]) -> Step:
        return partial(self._session.run, f"CREATE TABLE {qualified} ({', '.join(self._definitions(table, names))})")

    def _adding(self, qualified: str, columns: dict[str, str]) -> list[Step]:
        return [
            partial(self._alter, qualified, name, f"ALTER TABLE {qualified} ADD COLUMN {quoted(name)} {type_}")
            for name, type_ in columns.items()
        ]

    def _retyping(self, qualified: str, column: Column, type_: str) -> Step:
        check_obstacles(self._session, qualified, column=column.name)
        return partial(self._retype, qualified, column, type_)

    def _retype(self, qualified: str, column: Column, type_: str) -> None:
        if isinstance(column.holds, casting.Floating) and type_ in _INTEGERS:
            self._check_integers(qualified, column)
        self._alter(qualified, column.name, alteration(qualified, column, type_))

    def _check_integers(self, qualified: str, column: Column) -> None:
        """DuckDB would round. An expression in the statement would see rows that are deleted, too."""
        name = quoted(column.name)
        if self._session.row(f"SELECT 1 FROM {qualified} WHERE {name} <> trunc({name}) LIMIT 1"):  # noqa: S608 -- quoted identifiers
            raise SynclineError(f"column {column.name!r} has got fractions while rows were read for it")

    def _relaxing(self, qualified: str, column: str) -> Step:
        statement = f"ALTER TABLE {qualified} ALTER COLUMN {quoted(column)} DROP NOT NULL"
        return partial(self._alter, qualified, column, statement)

    def _alter(self, qualified: str, column: str, statement: str) -> None:
        with naming_obstacles(self._session, qualified, column=column):
            self._session.run(statement)

    def drop(self, name: str) -> None:
        with naming_obstacles(self._session, self.qualified(name)):
            super().drop(name)

    def reserve(self, name: str) -> None:
        """Nothing to do: tables are made and filled in one transaction."""

    def release(self, name: str) -> None:
        """Nothing was reserved."""

    def _lock(self, qualified: str) -> bool:  # noqa: ARG002 -- nobody else can have the file open
        return True

    def _has_dependents(self, qualified: str) -> bool:  # noqa: ARG002 -- views do not keep a table from being dropped
        return False

    def _key_steps(self, qualified: str, table: Table, key: list[str]) -> list[Step]:  # noqa: ARG002
        """No index: joins do not need one, and DuckDB keeps indexes in memory."""
        return []


def new_type(kind: Kind, digits: Digits | None) -> str:
    """The type of a new column."""
    return "DECIMAL({},{})".format(*Digits.of_fixed_scale(digits)) if kind is Kind.DECIMAL else _NEW_TYPES[kind]


def alteration(table: str, column: Column, type_: str) -> str:
    """The statement that changes the type of a column and of its values."""
    name = quoted(column.name)
    using = f" USING to_json({name})" if type_ == _NEW_TYPES[Kind.JSON] else ""
    return f"ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {type_}{using}"


def column(name: str, type_name: str) -> Column:
    holds, arrow = _column_holds(type_name)
    return Column(name=name, type=type_name, holds=holds, arrow=arrow)


def _column_holds(type_name: str) -> tuple[Holds, pa.DataType]:
    """What a type holds, and its Arrow type; strings are parsed by DuckDB's own strict casts."""
    if found := _DECIMAL.fullmatch(type_name):
        precision, scale = int(found[1]), int(found[2])
        return casting.Number(precision, scale), pa.decimal128(precision, scale)
    return _TYPES.get(type_name, (casting.Verbatim(), pa.string()))
