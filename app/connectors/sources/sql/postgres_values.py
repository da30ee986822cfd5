"""The values of PostgreSQL's columns as Arrow's driver returns them, made what psycopg's would be."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors.contract.moments import day_text, moment_text
from app.connectors.sources.sql.values import json_value, plain_values
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.sources.sql.dialect import SourceColumn

_INTEGERS: Final = frozenset({"int2", "int4", "int8", "oid"})
_STRINGS: Final = frozenset({"text", "varchar", "bpchar"})
_MOMENTS: Final = frozenset({"timestamp", "timestamptz"})
_AS_THEY_ARE: Final = frozenset({"bool", "float8", "bytea", "date", *_STRINGS, *_MOMENTS})
# What psycopg returns as PostgreSQL's own text, too. "" are types that psycopg does not know, such as enumerations.
_AS_TEXT: Final = frozenset({"", "time", "timetz", "interval", "uuid", "inet", "cidr", "json", "jsonb", "numeric"})
_RANGES: Final = ("range", "multirange")
# Of the years 1 and 9999, in days and microseconds since 1970.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY: Final = 86_400_000_000
# The driver counts from 1970, PostgreSQL from 2000, and so the numbers that stand for infinity overflow.
_INFINITE_MOMENTS: Final = {-9_222_425_352_054_775_809: "infinity", -9_222_425_352_054_775_808: "-infinity"}
_INFINITE_DAYS: Final = {-2_147_472_692: "infinity", -2_147_472_691: "-infinity"}


def is_known(column: SourceColumn) -> bool:
    """Whether its values are the same in both ways."""
    known = column.type in _AS_THEY_ARE | _INTEGERS | _AS_TEXT | {"float4"} or column.type.endswith(_RANGES)
    # An array has the type of its elements.
    return known and not column.full_type.endswith("[]")


def expression_of(column: SourceColumn) -> str:
    name = 'syncline_source."' + column.name.replace('"', '""') + '"'
    if column.type in _AS_THEY_ARE:
        return name
    if column.type in _INTEGERS:
        return f"{name}::int8"
    if column.type == "float4":
        # Its shortest text, as a double: 1.1 and not 1.10000002.
        return f"{name}::text::float8"
    # A cast would be another text for some types: of an inet, it has the netmask.
    return f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"


def values_of(column: SourceColumn, array: pa.Array) -> list[Any] | pa.Array:
    """The values of a batch.

    Raises:
        NotInJsonError, RepeatedNameError, msgspec.MsgspecError: as `json_value`.
    """
    if (convert := _CONVERT.get(column.type)) is not None:
        return plain_values([None if text is None else convert(text) for text in array.to_pylist()])
    if column.type in _MOMENTS:
        return _with_texts(
            array, pa.int64(), first=_FIRST_DAY * _DAY, last=(_LAST_DAY + 1) * _DAY - 1, text=_moment_text(column.type)
        )
    if column.type == "date":
        return _with_texts(array, pa.int32(), first=_FIRST_DAY, last=_LAST_DAY, text=_day_text)
    if pa.types.is_floating(array.type) and not pc.all(pc.is_finite(array)).as_py():
        return plain_values(array.to_pylist())
    return array


def _with_texts(
    array: pa.Array, kind: pa.DataType, *, first: int, last: int, text: Callable[[int], str]
) -> list[Any] | pa.Array:
    """`array`, or texts if it has times that Python does not."""
    numbers = array.cast(kind)
    extremes = pc.min_max(numbers).as_py()
    if extremes["min"] is None or (first <= extremes["min"] and extremes["max"] <= last):
        return array
    return [None if number is None else text(number) for number in numbers.to_pylist()]


def _moment_text(type_: str) -> Callable[[int], str]:
    zoned = type_ == "timestamptz"
    return lambda number: _INFINITE_MOMENTS.get(number) or moment_text(number, zoned=zoned)


def _day_text(number: int) -> str:
    return _INFINITE_DAYS.get(number) or day_text(number)


_CONVERT: Final[dict[str, Callable[[str], Any]]] = {
    "numeric": Decimal,
    "json": json_value,
    "jsonb": jsontext.decode,
}
