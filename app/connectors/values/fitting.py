"""Whole batches fitted to the columns they go to, as Arrow arrays: all values at one look, or one by one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.batches import column_of, listed
from app.connectors.values import jsontext
from app.connectors.values.arrays import arrayed
from app.connectors.values.casting import Holds, Unfit
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.contract.batches import Batch

_NOT_IN_ARROW: Final = (OverflowError, pa.ArrowInvalid)


class ValueRefusedError(ConfigurationError):
    """A column of a destination cannot hold a value as it is: change the column's type, or the source."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is in the destination; `type` is its name there, for messages, and `remedy` what could be done.

    Values travel as `arrow`; None: as they come, or as text.
    """

    name: str
    type: str
    holds: Holds
    arrow: pa.DataType | None = None
    remedy: str = ""


def fitted(batch: Batch, columns: dict[str, Column], *, table: str) -> dict[str, pa.Array]:
    """By its name, the array for each of `columns` (field → column); a field that a row lacks is NULL.

    Raises:
        ValueRefusedError: with table, column, its type and the value.
    """
    return {column.name: _fitted(column_of(batch, field), column, table) for field, column in columns.items()}


def _fitted(values: list[Any] | pa.Array, column: Column, table: str) -> pa.Array:
    array = values if isinstance(values, pa.Array) else arrayed(values)
    if array is not None:
        if array.null_count == len(array):
            return pa.nulls(len(array), column.arrow or pa.string())
        fits = column.holds.fits(array)
        if fits is not None:
            try:
                return fits if column.arrow is None else fits.cast(column.arrow)
            except pa.ArrowInvalid:
                pass  # The value that does not fit is found below.
    return _cast(listed(values), column, table)


def _cast(values: list[Any], column: Column, table: str) -> pa.Array:
    cast = column.holds.cast
    value = None
    try:
        stored = [None if each is None else cast(value := each) for each in values]
    except Unfit as unfit:
        raise _refused(value, str(unfit), column, table) from None
    try:
        return _made(stored, column.arrow)
    except _NOT_IN_ARROW:
        for value, one in zip(values, stored, strict=True):
            try:
                _made([one], column.arrow)
            except _NOT_IN_ARROW:
                why = f"it is handed over as {column.arrow}, which cannot hold it"
                raise _refused(value, why, column, table) from None
        raise


def _made(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is None or pa.types.is_string(kind):
        kind = pa.string()
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    elif pa.types.is_decimal(kind):
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, kind)


def _refused(value: Any, why: str, column: Column, table: str) -> ValueRefusedError:
    place = f"column {column.name!r} of table {table!r} is {column.type}"
    remedy = f". {column.remedy}" if column.remedy else ""
    return ValueRefusedError(f"{place} and cannot hold {jsontext.shown(value)}: {why}{remedy}")
