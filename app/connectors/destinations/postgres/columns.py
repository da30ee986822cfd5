"""PostgreSQL's types: those of new columns, and what existing columns can hold."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import Kind
from app.connectors.values import casting, times
from app.connectors.values.fitting import Column
from app.connectors.values.forms import DIGIT, OFFSET, UNORDERED
from app.connectors.values.widening import Needed
from app.connectors.warehouse.column_types import ColumnTypes
from app.connectors.warehouse.layout import quoted

if TYPE_CHECKING:
    from app.connectors.contract.schema import Digits
    from app.connectors.values.casting import Holds
    from app.connectors.warehouse.session import Session

# Numbers of unknown size become numeric: a double would change most decimal fractions of more than 15 digits.
_NEW_TYPES: dict[Kind, str] = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.BIG_INTEGER: "numeric",
    Kind.NUMBER: "numeric",
    Kind.DECIMAL: "numeric",
    Kind.FLOAT: "double precision",
    Kind.TEXT: "text",
    Kind.TIMESTAMP: "timestamptz",
    Kind.LOCAL_TIMESTAMP: "timestamp",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.INTERVAL: "interval",
    Kind.UUID: "uuid",
    Kind.JSON: "jsonb",
    Kind.BYTES: "bytea",
}

_FULL_NAMES = {
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
}
# That can be declared: https://www.postgresql.org/docs/current/datatype-numeric.html
_MOST_DIGITS = 1000
_HOLDS: dict[str, Holds] = {
    "boolean": casting.Boolean(),
    "smallint": casting.Integer.signed(16),
    "integer": casting.Integer.signed(32),
    "bigint": casting.Integer.signed(64),
    "numeric": dataclasses.replace(casting.NUMERIC, others=casting.NON_FINITE),
    "real": casting.Floating(32, non_finite=True),
    "double precision": casting.Floating(64, non_finite=True),
    "text": casting.Text(),
    "citext": casting.Text(),
    "character varying": casting.Text(),
    "json": casting.Json(),
    "jsonb": casting.Json(),
    "timestamp with time zone": times.Timestamp(zone=True, infinite=True),
    "timestamp without time zone": times.Timestamp(zone=False, infinite=True),
    "date": times.Date(infinite=True),
    "time without time zone": times.TimeOfDay(midnight=True),
    "uuid": casting.Uuid(),
    "bytea": casting.Binary(lambda value: f"\\x{value.hex()}"),
}
# All others are sent as strings, and so is numeric: no Arrow type has its digits.
# Timestamps have no zone, with which Arrow writes them twenty times slower: the session takes them as UTC.
_ARROW: dict[type[Holds], pa.DataType] = {
    casting.Boolean: pa.bool_(),
    casting.Integer: pa.int64(),
    casting.Floating: pa.float64(),
    times.Timestamp: pa.timestamp("us"),
    times.Date: pa.date32(),
    times.TimeOfDay: pa.time64("us"),
}
_WITH_MODIFIER = re.compile(r"(?P<base>[a-z ]+)\((?P<first>-?\d+)(,(?P<second>-?\d+))?\)(?P<rest>[a-z ]*)")
# Values are compared as strings where PostgreSQL's own equality is missing or means something else.
_COMPARABLE = set(_HOLDS) - {"json", "citext"}

_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod)
    FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
_COMMENTED = """
    SELECT attname
    FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
    WHERE classoid = 'pg_class'::regclass AND objoid = to_regclass($1) AND objsubid > 0 AND description = $2
    ORDER BY attnum
"""


def existing_columns(session: Session, table: str) -> list[tuple[str, str]]:
    """Name and type of each column of `table` (a quoted, qualified name); empty if there is no such table."""
    return [(name, kind) for name, kind in session.rows(_COLUMNS, table)]


def commented_columns(session: Session, table: str, comment: str) -> list[str]:
    return [name for (name,) in session.rows(_COMMENTED, table, comment)]


class PostgresTypes(ColumnTypes):
    def new_type(self, kind: Kind, digits: Digits | None) -> str:
        if kind is Kind.DECIMAL and digits and digits.precision <= _MOST_DIGITS:
            return f"numeric({digits.precision},{digits.scale})"
        return _NEW_TYPES[kind]

    def full_type(self, type_: str) -> str:
        """The name by which `format_type` knows a new type."""
        return _FULL_NAMES.get(type_, type_)

    def column(self, name: str, type_name: str) -> Column:
        holds = _holds(type_name)
        return Column(name=name, type=type_name, holds=holds, arrow=_ARROW.get(type(holds)))

    def alteration(self, table: str, column: Column, type_: str) -> str:
        name = quoted(column.name)
        using = f"{name}::{type_}"
        if type_ == _NEW_TYPES[Kind.JSON]:
            using = f"to_jsonb({name})"
        elif isinstance(column.holds, casting.Floating):
            # Cast directly, a double loses its last digits, or its fraction.
            using = f"{name}::text::{type_}"
            if type_ == _NEW_TYPES[Kind.INTEGER]:
                using = f"CASE WHEN {name} = trunc({name}) THEN {name}::{type_} ELSE {using} END"
        return f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {type_} USING {using}"

    def _new_type_for(self, needed: Needed, *, declared: bool) -> str:
        """A numeric needs no limit, and each change of one would write the table anew."""
        return super()._new_type_for(needed if declared else Needed(needed.kind), declared=declared)


TYPES = PostgresTypes()


def is_comparable(type_name: str) -> bool:
    """Whether `=` on this type means that both values are identical."""
    found = _WITH_MODIFIER.fullmatch(type_name)
    return (found["base"] + found["rest"] if found else type_name) in _COMPARABLE


def sort_expression(value: str, type_name: str, path: tuple[str, ...] = ()) -> str:
    """An expression that sorts `value` of this type, or what it has at `path`; strings by their characters."""
    if path or type_name in ("json", "jsonb"):
        return _inside(value, path)
    return f'{value}::text COLLATE "C"' if isinstance(_holds(type_name), casting.Text) else value


def form(value: str, type_name: str, path: tuple[str, ...] = ()) -> str | None:
    """An expression for the form of the string at `path` in `value`; None if it cannot be a string."""
    if path or type_name in ("json", "jsonb"):
        inside = _inside(value, path)
        text = _form(f"({inside} #>> '{{}}')")
        # All values that are not strings have the same form.
        return f"CASE WHEN jsonb_typeof({inside}) = 'string' THEN {text} WHEN {inside} IS NOT NULL THEN '' END"
    return _form(f"{value}::text") if isinstance(_holds(type_name), casting.Text) else None


def _inside(value: str, path: tuple[str, ...]) -> str:
    steps = [" -> '" + part.replace("'", "''") + "'" for part in path]
    return f"nullif({value}::jsonb{''.join(steps)}, 'null')"


def _form(text: str) -> str:
    zeros = f"regexp_replace({text}, '{DIGIT}', '0', 'g')"
    offset = f"coalesce(substring({text} FROM '{OFFSET}'), '')"
    return f"(CASE WHEN {text} ~ '{UNORDERED}' THEN {text} ELSE {zeros} || {offset} END) COLLATE \"C\""


def equal_text(value: str, type_name: str) -> str:
    """An expression for `value` of this type whose text is the same for equal values."""
    if isinstance(_holds(type_name), casting.Number):
        return f"trim_scale({value})"
    if type_name == "jsonb":
        # Twice, as 64 bits are few for many rows.
        return f"jsonb_hash_extended({value}, 0)::text || jsonb_hash_extended({value}, 1)"
    return value


def _holds(type_name: str) -> Holds:
    found = _WITH_MODIFIER.fullmatch(type_name)
    if type_name in _HOLDS or not found:
        return _HOLDS.get(type_name, casting.Verbatim())
    base, first, second = found["base"] + found["rest"], int(found["first"]), int(found["second"] or 0)
    if base == "numeric":
        return casting.Number(precision=first, scale=second, others=frozenset({"NaN"}))
    if base in {"character varying", "character"}:
        return casting.Text(limit=first)
    if base.startswith("timestamp"):
        return times.Timestamp(zone=base.endswith("with time zone"), digits=first, infinite=True)
    return times.TimeOfDay(digits=first, midnight=True) if base == "time without time zone" else casting.Verbatim()
