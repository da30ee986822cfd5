"""The types of columns in Parquet files: what they hold, and how manifests write their values."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import MOST_DIGITS, Digits, Kind
from app.connectors.values import casting, times
from app.connectors.values.fitting import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.values.casting import Holds

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
# Numbers of unknown size become doubles, and one that a double cannot keep is refused: Parquet's decimals have a fixed
# scale. UUIDs become strings, because some readers refuse a whole file with a column of Parquet's own type.
_TYPES: dict[Kind, tuple[pa.DataType, Holds]] = {
    Kind.BOOLEAN: (pa.bool_(), casting.Boolean()),
    Kind.INTEGER: (pa.int64(), casting.Integer.signed(64)),
    Kind.BIG_INTEGER: (pa.decimal128(MOST_DIGITS, 0), casting.Integer.decimal(MOST_DIGITS)),
    Kind.NUMBER: (pa.float64(), casting.Floating(64, non_finite=True)),
    Kind.FLOAT: (pa.float64(), casting.Floating(64, non_finite=True)),
    Kind.TEXT: (pa.string(), casting.Text(nul=True)),
    Kind.TIMESTAMP: (pa.timestamp("us", tz="UTC"), times.Timestamp(zone=True)),
    Kind.LOCAL_TIMESTAMP: (pa.timestamp("us"), times.Timestamp(zone=False)),
    Kind.DATE: (pa.date32(), times.Date()),
    Kind.TIME: (pa.time64("us"), times.TimeOfDay()),
    Kind.INTERVAL: (pa.string(), casting.Verbatim()),
    Kind.UUID: (pa.string(), casting.Uuid()),
    Kind.JSON: (pa.string(), casting.Json(nul=True, canonical=True)),
    Kind.BYTES: (pa.binary(), casting.Bytes()),
}
_READ: dict[Kind, Callable[[str], Any]] = {
    Kind.BOOLEAN: "True".__eq__,
    Kind.INTEGER: int,
    Kind.BIG_INTEGER: int,
    Kind.NUMBER: float,
    Kind.FLOAT: float,
    Kind.TIMESTAMP: datetime.fromisoformat,
    Kind.LOCAL_TIMESTAMP: datetime.fromisoformat,
    Kind.DATE: date.fromisoformat,
    Kind.TIME: time.fromisoformat,
    Kind.BYTES: bytes.fromhex,
}


def type_name(kind: Kind, digits: Digits | None) -> str:
    """The type of a new column, as manifests name it."""
    return "decimal({},{})".format(*Digits.of_fixed_scale(digits)) if kind is Kind.DECIMAL else kind.value


def column(name: str, type_: str) -> Column:
    arrow, holds = _described(type_)
    return Column(name=name, type=type_, holds=holds, arrow=arrow)


def arrow_type(type_: str) -> pa.DataType:
    return _described(type_)[0]


def _described(type_: str) -> tuple[pa.DataType, Holds]:
    if found := _DECIMAL.fullmatch(type_):
        precision, scale = int(found[1]), int(found[2])
        return pa.decimal128(precision, scale), casting.Number(precision, scale)
    return _TYPES[Kind(type_)]


def to_text(value: Any) -> str:
    """A cursor value as a string."""
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def from_text(text: str, type_: str) -> Any:
    """The inverse of `to_text`."""
    read = Decimal if _DECIMAL.fullmatch(type_) else _READ.get(Kind(type_), str)
    return read(text)
