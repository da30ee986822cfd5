"""A table of a DuckDB file: made, widened and described."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors import casting
from app.connectors.casting import Column, Holds
from app.connectors.destinations.duckdb.file import TARGET
from app.connectors.destinations.layout import SYNCED_COLUMN, TASK_COLUMN, Target, column_names, quoted
from app.connectors.schema import Kind
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from app.connectors.schema import Table

# DuckDB has no decimal without a fixed scale: numbers become doubles, and one that a double cannot keep is refused.
NEW_TYPES: dict[Kind, str] = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.BIG_INTEGER: "HUGEINT",
    Kind.NUMBER: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.JSON: "JSON",
    Kind.BYTES: "BLOB",
}


def _escaped(value: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in value)


_HUGE = casting.Integer(-(2**127), 2**127 - 1)
# What a column holds, and the Arrow type in which its values travel; JSON and what is only known to DuckDB as text.
_TYPES: dict[str, tuple[Holds, pa.DataType]] = {
    "BOOLEAN": (casting.Boolean(), pa.bool_()),
    "TINYINT": (casting.Integer(-(2**7), 2**7 - 1), pa.int8()),
    "SMALLINT": (casting.Integer(-(2**15), 2**15 - 1), pa.int16()),
    "INTEGER": (casting.Integer(-(2**31), 2**31 - 1), pa.int32()),
    "BIGINT": (casting.Integer(-(2**63), 2**63 - 1), pa.int64()),
    "UTINYINT": (casting.Integer(0, 2**8 - 1), pa.uint8()),
    "USMALLINT": (casting.Integer(0, 2**16 - 1), pa.uint16()),
    "UINTEGER": (casting.Integer(0, 2**32 - 1), pa.uint32()),
    "UBIGINT": (casting.Integer(0, 2**64 - 1), pa.uint64()),
    "HUGEINT": (_HUGE, pa.string()),
    "FLOAT": (casting.Floating(32), pa.float32()),
    "DOUBLE": (casting.Floating(64), pa.float64()),
    "VARCHAR": (casting.Text(nul=True), pa.string()),
    "JSON": (casting.Json(nul=True), pa.string()),
    "UUID": (casting.Uuid(), pa.string()),
    "BLOB": (casting.Binary(_escaped), pa.string()),
    "DATE": (casting.Date(), pa.date32()),
    "TIME": (casting.TimeOfDay(), pa.time64("us")),
    "TIMESTAMP": (casting.Timestamp(zone=False), pa.timestamp("us")),
    "TIMESTAMP WITH TIME ZONE": (casting.Timestamp(zone=True), pa.timestamp("us", tz="UTC")),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def make_room(connection: DuckDBPyConnection, *, schema: str, table: Table) -> Target:
    """Creates the table or adds what it lacks; inside a transaction on the target.

    Raises:
        ConfigurationError: a name does not fit; to DuckDB, names that differ only in case are the same.
    """
    if not table.name or "\0" in table.name:
        raise ConfigurationError(f"table_name {table.name!r} must not be empty or contain U+0000")
    names = column_names(table, fitted=str, same=str.lower)
    qualified = quoted(TARGET, schema, table.name)
    wanted = {name: NEW_TYPES[table.columns[field]] for field, name in names.items()}
    wanted |= {TASK_COLUMN: "VARCHAR", SYNCED_COLUMN: NEW_TYPES[Kind.TIMESTAMP]}
    shape = ", ".join(f"{quoted(name)} {kind}" for name, kind in wanted.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {qualified} ({shape})")
    present = _present(connection, schema, table.name)
    for name, kind in wanted.items():
        if name.lower() not in present:
            connection.execute(f"ALTER TABLE {qualified} ADD COLUMN {quoted(name)} {kind}")
    present = _present(connection, schema, table.name)
    described = {field: _column(*present[name.lower()]) for field, name in names.items()}
    return Target(table=table, qualified=qualified, columns=described)


def arrow_type(column: Column) -> pa.DataType:
    """The type in which values of `column` are handed to DuckDB; text is parsed by its own strict casts."""
    if found := _DECIMAL.fullmatch(column.type):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _TYPES.get(column.type, (None, pa.string()))[1]


def _column(name: str, type_name: str) -> Column:
    if found := _DECIMAL.fullmatch(type_name):
        return Column(name=name, type=type_name, holds=casting.Number(int(found[1]), int(found[2])))
    return Column(name=name, type=type_name, holds=_TYPES.get(type_name, (casting.Verbatim(), None))[0])


def _present(connection: DuckDBPyConnection, schema: str, table: str) -> dict[str, tuple[str, str]]:
    """Lower-case name → (name, type)."""
    rows = connection.execute(
        """
        SELECT column_name, data_type FROM duckdb_columns()
        WHERE database_name = ? AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
        """,
        [TARGET, schema, table],
    ).fetchall()
    return {name.lower(): (name, kind) for name, kind in rows}
