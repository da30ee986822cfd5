"""Fits batches to the columns they go to, as Arrow arrays: all values at once, or one by one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.batches import as_list, column_of
from app.connectors.values import jsontext
from app.connectors.values.arrays import to_array
from app.connectors.values.casting import Holds, Unfit
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.contract.batches import Batch

_NOT_IN_ARROW: Final = (OverflowError, pa.ArrowInvalid)


class ValueRefusedError(ConfigurationError):
    """A column of a destination cannot hold a value unchanged: change the column's type, or the source.

    `column` is its name in the destination; it is empty if the value is missing where one has to be.
    """

    def __init__(self, message: str, *, column: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.column = column
        self.value = value


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a destination; messages use `type`, its name there.

    Values are sent as `arrow`; if that is None, as they come or as strings.
    """

    name: str
    type: str
    holds: Holds
    arrow: pa.DataType | None = None


def fit(batch: Batch, columns: dict[str, Column], *, table: str) -> dict[str, pa.Array]:
    """Name → array, for each of `columns` (field → column); a field that a row lacks is NULL.

    Raises:
        ValueRefusedError: names table, column, its type and the value.
    """
    return {column.name: _fit_column(column_of(batch, field), column, table) for field, column in columns.items()}


def _fit_column(values: list[Any] | pa.Array, column: Column, table: str) -> pa.Array:
    array = values if isinstance(values, pa.Array) else to_array(values)
    if array is not None:
        if array.null_count == len(array):
            return pa.nulls(len(array), column.arrow or pa.string())
        fits = column.holds.fits(array)
        if fits is not None:
            try:
                return fits if column.arrow is None else fits.cast(column.arrow)
            except pa.ArrowInvalid:
                pass  # The value that does not fit is found below.
    return _cast(as_list(values), column, table)


def _cast(values: list[Any], column: Column, table: str) -> pa.Array:
    cast = column.holds.cast
    value = None
    try:
        stored = [None if each is None else cast(value := each) for each in values]
    except Unfit as unfit:
        raise _refusal(value, str(unfit), column, table) from None
    try:
        return _make_array(stored, column.arrow)
    except _NOT_IN_ARROW:
        for value, one in zip(values, stored, strict=True):
            try:
                _make_array([one], column.arrow)
            except _NOT_IN_ARROW:
                why = f"it is sent as {column.arrow}, which cannot hold it"
                raise _refusal(value, why, column, table) from None
        raise


def _make_array(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is None or pa.types.is_string(kind) or _has_text(values, kind):
        kind = pa.string()
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    elif pa.types.is_decimal(kind):
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, kind)


def _has_text(values: list[Any], kind: pa.DataType) -> bool:
    """Whether a time is one that Arrow lacks, such as infinity: its destination reads all of them from strings."""
    return bool(pa.types.is_temporal(kind)) and any(isinstance(value, str) for value in values)


def _refusal(value: Any, why: str, column: Column, table: str) -> ValueRefusedError:
    subject = f"column {column.name!r} of table {table!r} is {column.type}"
    message = f"{subject} and cannot hold {jsontext.preview(value)}: {why}"
    return ValueRefusedError(message, column=column.name, value=value)
