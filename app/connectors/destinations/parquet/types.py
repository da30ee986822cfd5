"""The types of columns in Parquet files: what they hold, and how manifests write their values."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import Kind
from app.connectors.values import casting
from app.connectors.values.fitting import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.values.casting import Holds

# Parquet's decimals have a fixed scale: numbers become doubles, and one that a double cannot keep is refused.
_TYPES: dict[Kind, tuple[pa.DataType, Holds]] = {
    Kind.BOOLEAN: (pa.bool_(), casting.Boolean()),
    Kind.INTEGER: (pa.int64(), casting.Integer.signed(64)),
    Kind.BIG_INTEGER: (pa.decimal128(casting.DECIMAL_DIGITS, 0), casting.Integer.decimal(casting.DECIMAL_DIGITS)),
    Kind.NUMBER: (pa.float64(), casting.Floating(64)),
    Kind.TEXT: (pa.string(), casting.Text(nul=True)),
    Kind.TIMESTAMP: (pa.timestamp("us", tz="UTC"), casting.Timestamp(zone=True)),
    Kind.DATE: (pa.date32(), casting.Date()),
    Kind.TIME: (pa.time64("us"), casting.TimeOfDay()),
    Kind.JSON: (pa.string(), casting.Json(nul=True)),
    Kind.BYTES: (pa.binary(), casting.Bytes()),
}
_READ: dict[Kind, Callable[[str], Any]] = {
    Kind.BOOLEAN: "True".__eq__,
    Kind.INTEGER: int,
    Kind.BIG_INTEGER: int,
    Kind.NUMBER: float,
    Kind.TIMESTAMP: datetime.fromisoformat,
    Kind.DATE: date.fromisoformat,
    Kind.TIME: time.fromisoformat,
    Kind.BYTES: bytes.fromhex,
}


def column(name: str, kind: Kind) -> Column:
    arrow, holds = _TYPES[kind]
    return Column(name=name, type=kind.value, holds=holds, arrow=arrow)


def arrow_type(kind: Kind) -> pa.DataType:
    return _TYPES[kind][0]


def to_text(value: Any) -> str:
    """A cursor value as a string."""
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def from_text(text: str, kind: Kind) -> Any:
    """The inverse of `to_text`."""
    return _READ.get(kind, str)(text)
