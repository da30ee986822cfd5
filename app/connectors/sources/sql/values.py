"""Turns the values of drivers into what records hold: nothing is rounded or left out."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors.contract.schema import Kind, common_kind
from app.connectors.values import inference, jsontext
from app.connectors.values.arrays import to_array
from app.connectors.values.durations import clock_text
from app.connectors.values.repeats import check_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_AS_THEY_ARE = {bool, int, str, bytes, type(None)}
_FIXED_BYTES = 8
_LISTS = (list, tuple, set, frozenset)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NON_FINITE = re.compile(r"-?\b(nan|inf(inity)?)\b", re.IGNORECASE)


def plain_values(values: Sequence[Any]) -> list[Any] | pa.Array:
    """The values of one column."""
    # The text of an integer must not depend on its neighbours.
    array = to_array(values, mixed_numbers=False)
    if array is None or (pa.types.is_floating(array.type) and not pc.all(pc.is_finite(array)).as_py()):
        return [_plain_value(value) for value in values]
    return array


class NotInJsonError(ValueError):
    """A number inside of an array or a struct that JSON does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is inside of an array or a struct, which is loaded as JSON, and JSON has no such number; write a "
            "'query' that makes it NULL or text"
        )


def json_value(text: str) -> Any:
    """The value of JSON text from a database.

    Raises:
        NotInJsonError: it has a number that JSON does not have.
        RepeatedNameError: a name stands twice in one of its objects.
    """
    try:
        value = jsontext.decode(text)
    except msgspec.DecodeError:
        if (found := _NON_FINITE.search(_STRING.sub("", text))) is None:
            raise
        name = found[0].lower()
        raise NotInJsonError("NaN" if "nan" in name else "-Infinity" if name[0] == "-" else "Infinity") from None
    check_names(text, value)
    return value


def _plain_value(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float or kind is Decimal:
        # JSON has no such numbers: text columns keep their text, and number columns refuse it.
        return value if jsontext.is_finite(value) else jsontext.non_finite_name(value)
    if kind is datetime or kind is date or kind is time:
        return value.isoformat()
    if kind is dict:
        return {str(key): _plain_inside(inner) for key, inner in value.items()}
    if kind in _LISTS:
        # The order of a set changes from process to process.
        return [_plain_inside(inner) for inner in (value if kind in (list, tuple) else sorted(value, key=repr))]
    return bytes(value) if kind in (bytearray, memoryview) else _text(value)


def _text(value: Any) -> str:
    return clock_text(value // timedelta(microseconds=1)) if type(value) is timedelta else str(value)


def _plain_inside(value: Any) -> Any:
    """A value of a list, an array or a struct."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if (kind is float or kind is Decimal) and not jsontext.is_finite(value):
        raise NotInJsonError(jsontext.non_finite_name(value))
    return _plain_value(value)


def size(columns: Iterable[list[Any] | pa.Array]) -> int:
    """About how many bytes plain values take."""
    return sum([sum(map(_size, column)) if isinstance(column, list) else column.nbytes for column in columns])


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value) + _FIXED_BYTES
    return len(jsontext.encode(value)) if isinstance(value, dict | list) else _FIXED_BYTES


def kind_of(values: Iterable[Any]) -> Kind | None:
    """The one kind that keeps all of a column's values; None if all of them are NULL."""
    kinds = {_kind(value) for value in values if value is not None}
    return common_kind(kinds) if kinds else None


def _kind(value: Any) -> Kind:
    if isinstance(value, timedelta):
        return Kind.INTERVAL
    kind = inference.kind_of(value)
    # Objects of a driver, such as network addresses, become text.
    return Kind.TEXT if kind is Kind.JSON and not isinstance(value, (dict, *_LISTS)) else kind
