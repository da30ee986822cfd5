"""Columns as dlt describes them: the type of a new one, what an existing one can hold, and its Arrow type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import Kind
from app.connectors.values import casting
from app.connectors.values.fitting import Column

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext

    from app.connectors.values.casting import Holds

Described = dict[str, Any]
_MICROSECONDS: Final = 6
# JSON and times of day are strings: not every destination reads them from Parquet files, and strings keep them exactly.
NEW_TYPES: Final[dict[Kind, Described]] = {
    Kind.BOOLEAN: {"data_type": "bool"},
    Kind.INTEGER: {"data_type": "bigint"},
    Kind.BIG_INTEGER: {"data_type": "decimal", "precision": casting.DECIMAL_DIGITS, "scale": 0},
    Kind.NUMBER: {"data_type": "double"},
    Kind.TEXT: {"data_type": "text"},
    Kind.TIMESTAMP: {"data_type": "timestamp"},
    Kind.DATE: {"data_type": "date"},
    Kind.TIME: {"data_type": "text"},
    Kind.JSON: {"data_type": "text"},
    Kind.BYTES: {"data_type": "binary"},
}


def column(name: str, described: Described, kind: Kind, capabilities: DestinationCapabilitiesContext) -> Column:
    """The column `name` for values of a source's `kind`."""
    holds = _holds(described, kind, capabilities)
    return Column(name=name, type=_type_name(described), holds=holds, arrow=arrow_type(described, capabilities))


def arrow_type(described: Described, capabilities: DestinationCapabilitiesContext) -> pa.DataType:
    """Timestamps are sent in UTC; dlt removes the zone for destinations that have none."""
    from dlt.common.libs.pyarrow import get_py_arrow_datatype  # noqa: PLC0415 -- dlt takes seconds

    kind = get_py_arrow_datatype(described, capabilities, "UTC")  # type: ignore[arg-type]
    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) else kind


def _holds(described: Described, kind: Kind, capabilities: DestinationCapabilitiesContext) -> Holds:
    data_type, precision = described["data_type"], described.get("precision")
    if data_type == "text":
        # In a column of JSON 1 and "1" stay different.
        return casting.Json() if kind is Kind.JSON else casting.Text(limit=precision)
    if data_type == "bigint":
        return casting.Integer.signed(precision or 64)
    if data_type in ("decimal", "wei"):
        number = _number(described, capabilities)
        return _OfSqlite(number) if capabilities.sqlglot_dialect == "sqlite" else number
    digits = min(_MICROSECONDS, capabilities.timestamp_precision if precision is None else precision)
    others: dict[str, Holds] = {
        "bool": casting.Boolean(),
        "double": casting.Floating(64),
        "timestamp": casting.Timestamp(zone=True, digits=digits),
        "date": casting.Date(),
        "time": casting.TimeOfDay(digits=digits),
        "binary": casting.Bytes(),
        "json": casting.Json(),
    }
    return others.get(data_type, casting.Verbatim())


def _number(described: Described, capabilities: DestinationCapabilitiesContext) -> casting.Number:
    if described["data_type"] == "wei":
        return casting.Number(*capabilities.wei_precision)
    precision = described.get("precision")
    digits, scale = capabilities.decimal_precision
    return casting.Number(precision or digits, described.get("scale", scale if precision is None else 0) or 0)


@dataclass(frozen=True, slots=True)
class _OfSqlite:
    """A decimal number that SQLAlchemy turns into a double, because SQLite has no decimals."""

    number: casting.Number

    def fits(self, array: pa.Array) -> pa.Array | None:  # noqa: ARG002 -- each value is looked at
        return None

    def cast(self, value: Any) -> Any:
        number = self.number.cast(value)
        if number != int(number):
            casting.Floating(64).cast(number)  # refuses what would not come back
        elif int(float(number)) != number:
            raise casting.Unfit("SQLite would round it")
        return number


def _type_name(described: Described) -> str:
    size = [str(described[part]) for part in ("precision", "scale") if described.get(part) is not None]
    return str(described["data_type"]) + (f"({', '.join(size)})" if size else "")
