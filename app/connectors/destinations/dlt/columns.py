"""Columns as dlt describes them: the type of a new one, what an existing one can hold, and its Arrow type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.schema import MOST_DIGITS, Digits, Kind
from app.connectors.values import casting, times
from app.connectors.values.fitting import Column

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext

    from app.connectors.values.casting import Holds

Described = dict[str, Any]
_MICROSECONDS: Final = 6
# JSON, times of day, intervals and UUIDs are strings: not every destination reads them from Parquet files, and strings
# keep them exactly.
_NEW_TYPES: Final[dict[Kind, Described]] = {
    Kind.BOOLEAN: {"data_type": "bool"},
    Kind.INTEGER: {"data_type": "bigint"},
    Kind.BIG_INTEGER: {"data_type": "decimal", "precision": MOST_DIGITS, "scale": 0},
    Kind.NUMBER: {"data_type": "double"},
    Kind.FLOAT: {"data_type": "double"},
    Kind.TEXT: {"data_type": "text"},
    Kind.TIMESTAMP: {"data_type": "timestamp"},
    Kind.LOCAL_TIMESTAMP: {"data_type": "timestamp", "timezone": False},
    Kind.DATE: {"data_type": "date"},
    Kind.TIME: {"data_type": "text"},
    Kind.INTERVAL: {"data_type": "text"},
    Kind.UUID: {"data_type": "text"},
    Kind.JSON: {"data_type": "text"},
    Kind.BYTES: {"data_type": "binary"},
}


def new_type(kind: Kind, digits: Digits | None, capabilities: DestinationCapabilitiesContext) -> Described:
    """The type of a new column."""
    if kind is Kind.DECIMAL:
        known = Digits.of_fixed_scale(digits)
        return {"data_type": "decimal", "precision": known.precision, "scale": known.scale}
    if kind is Kind.LOCAL_TIMESTAMP and not capabilities.supports_naive_datetime:
        kind = Kind.TIMESTAMP
    return dict(_NEW_TYPES[kind])


def column(name: str, described: Described, kind: Kind, capabilities: DestinationCapabilitiesContext) -> Column:
    """The column `name` for values of a source's `kind`."""
    holds = _holds(described, kind, capabilities)
    return Column(name=name, type=_type_name(described), holds=holds, arrow=arrow_type(described, capabilities))


def arrow_type(described: Described, capabilities: DestinationCapabilitiesContext) -> pa.DataType:
    """Points in time are sent in UTC; dlt removes the zone for destinations that have none."""
    from dlt.common.libs.pyarrow import get_py_arrow_datatype  # noqa: PLC0415 -- dlt takes seconds

    kind = get_py_arrow_datatype(described, capabilities, "UTC")  # type: ignore[arg-type]
    if not pa.types.is_timestamp(kind):
        return kind
    return pa.timestamp(kind.unit, "UTC" if described.get("timezone", True) else None)


def _holds(described: Described, kind: Kind, capabilities: DestinationCapabilitiesContext) -> Holds:
    data_type, precision = described["data_type"], described.get("precision")
    if data_type == "text":
        # In a column of JSON 1 and "1" stay different.
        return casting.Json(canonical=True) if kind is Kind.JSON else casting.Text(limit=precision)
    if data_type == "bigint":
        return casting.Integer.signed(precision or 64)
    if data_type in ("decimal", "wei"):
        number = _number(described, capabilities)
        return _OfSqlite(number) if capabilities.sqlglot_dialect == "sqlite" else number
    digits = min(_MICROSECONDS, capabilities.timestamp_precision if precision is None else precision)
    others: dict[str, Holds] = {
        "bool": casting.Boolean(),
        "double": casting.Floating(64),
        "timestamp": times.Timestamp(zone=described.get("timezone", True), digits=digits),
        "date": times.Date(),
        "time": times.TimeOfDay(digits=digits),
        "binary": casting.Bytes(),
        "json": casting.Json(canonical=True),
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


def stable_type_name(described: Described) -> str:
    """The same for a new column and for one that exists. Some databases report a decimal without a scale as `wei`."""
    if described["data_type"] == "wei":
        described = _NEW_TYPES[Kind.BIG_INTEGER]
    return _type_name(described) if described["data_type"] == "decimal" else str(described["data_type"])


def _type_name(described: Described) -> str:
    size = [str(described[part]) for part in ("precision", "scale") if described.get(part) is not None]
    return str(described["data_type"]) + (f"({', '.join(size)})" if size else "")
