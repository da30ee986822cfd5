"""DuckDB's types: those of new columns, and what existing columns can hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import MOST_DIGITS, Digits, Kind
from app.connectors.destinations.duckdb.intervals import Interval
from app.connectors.values import casting, times
from app.connectors.values.fitting import Column
from app.connectors.warehouse.column_types import ColumnTypes
from app.connectors.warehouse.layout import quoted

if TYPE_CHECKING:
    from app.connectors.values.casting import Holds
    from app.connectors.values.widening import Needed

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
INTEGERS = (_NEW_TYPES[Kind.INTEGER], _NEW_TYPES[Kind.BIG_INTEGER])
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


class DuckdbTypes(ColumnTypes):
    def new_type(self, kind: Kind, digits: Digits | None) -> str:
        return "DECIMAL({},{})".format(*Digits.of_fixed_scale(digits)) if kind is Kind.DECIMAL else _NEW_TYPES[kind]

    def column(self, name: str, type_name: str) -> Column:
        holds, arrow = _column_holds(type_name)
        return Column(name=name, type=type_name, holds=holds, arrow=arrow)

    def alteration(self, table: str, column: Column, type_: str) -> str:
        name = quoted(column.name)
        using = f" USING to_json({name})" if type_ == _NEW_TYPES[Kind.JSON] else ""
        return f"ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {type_}{using}"

    def _new_type_for(self, needed: Needed, *, declared: bool) -> str:
        """Text, for a decimal with more digits than DuckDB's have."""
        too_long = needed.digits is not None and needed.digits.precision > MOST_DIGITS
        return _NEW_TYPES[Kind.TEXT] if too_long else super()._new_type_for(needed, declared=declared)


TYPES = DuckdbTypes()


def _column_holds(type_name: str) -> tuple[Holds, pa.DataType]:
    """What a type holds, and its Arrow type; strings are parsed by DuckDB's own strict casts."""
    if found := _DECIMAL.fullmatch(type_name):
        precision, scale = int(found[1]), int(found[2])
        return casting.Number(precision, scale), pa.decimal128(precision, scale)
    return _TYPES.get(type_name, (casting.Verbatim(), pa.string()))
