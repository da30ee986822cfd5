"""Python values in the form that destinations take: exactly what JSON can hold, or a refusal."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from app.connectors.values import jsontext
from app.connectors.values.durations import clock_text

_DEEPEST = 100
_BASE_BYTES = 16
# Some 4,000 digits: Python refuses to print more.
_LONGEST_INTEGER_BITS = 13_000


class Refused(Exception):  # noqa: N818 -- becomes an error that names the place
    """Why a value cannot be loaded."""


def plain_value(value: Any, *, depth: int = 0) -> tuple[Any, int]:
    """`value` as strings, numbers, Booleans, None, and lists and dicts of them; and its approximate size in bytes.

    Times become ISO 8601 strings, durations such as `26:15:00`, UUIDs strings, tuples lists. Bytes stay bytes, but not
    inside lists and dicts.

    Raises:
        Refused: it is something else, nested too deeply, or NaN or an infinity inside of a list or dict.
    """
    kind = type(value)
    if kind is str:
        return value, text_bytes(value)
    if value is None or kind is int or kind is bool:
        return _check_digits(value) if kind is int else value, _BASE_BYTES
    if depth > _DEEPEST:
        raise Refused(f"it is nested deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        return _plain_dict(value, depth)
    if isinstance(value, (list, tuple)):
        items = [plain_value(item, depth=depth + 1) for item in value]
        return [item for item, _ in items], _BASE_BYTES + sum(size for _, size in items)
    if isinstance(value, (bytes, bytearray, memoryview)) and depth == 0:
        return bytes(value), memoryview(value).nbytes + _BASE_BYTES
    # Only a column can hold NaN and infinities.
    may_be_infinite = isinstance(value, float | Decimal) and depth == 0
    if may_be_infinite and not jsontext.is_finite(value):
        value = float(jsontext.non_finite_name(value))
    else:
        value = _scalar(value)
    return value, 3 * _BASE_BYTES


def check_bookmark(value: Any, *, depth: int = 0) -> None:
    """Raises `Refused` unless `value` comes back from JSON unchanged."""
    if depth > _DEEPEST:
        raise Refused(f"it is nested deeper than {_DEEPEST} levels")
    if type(value) is dict:
        for name, inner in value.items():
            if type(name) is not str:
                raise Refused(f"its key {name!r} is not a string")
            check_bookmark(name, depth=depth + 1)
            check_bookmark(inner, depth=depth + 1)
    elif type(value) is list:
        for inner in value:
            check_bookmark(inner, depth=depth + 1)
    elif type(value) is str:
        text_bytes(value)
    elif type(value) is float:
        _check_finite(value)
    elif value is not None and type(value) not in (int, bool):
        raise Refused(f"it is of type {_type_name(value)}, which JSON cannot hold; convert it to a string or a number")


def _plain_dict(value: dict[Any, Any], depth: int) -> tuple[dict[str, Any], int]:
    size, fields = _BASE_BYTES, {}
    for name, inner in value.items():
        if type(name) is not str:
            raise Refused(f"its key {name!r} is not a string")
        fields[name], inner_size = plain_value(inner, depth=depth + 1)
        size += inner_size + text_bytes(name)
    return fields, size


def _scalar(value: Any) -> Any:
    if isinstance(value, (float, Decimal)):
        return _check_finite(value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return clock_text(value // dt.timedelta(microseconds=1))
    if isinstance(value, uuid.UUID):
        return str(value)
    # Members of enumerations of strings and integers.
    if isinstance(value, str):
        text_bytes(value)
        return str.__str__(value)
    if isinstance(value, int):
        return _check_digits(int.__int__(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise Refused("it is bytes, which JSON cannot hold; decode them, or encode them as a string (base64)")
    raise Refused(f"it is of type {_type_name(value)}; convert it to a string, a number, a list or a dict")


def _check_digits(value: int) -> int:
    if value.bit_length() > _LONGEST_INTEGER_BITS:
        raise Refused("it is an integer of more than 3,900 digits")
    return value


def _check_finite(value: float | Decimal) -> float | Decimal:
    if not jsontext.is_finite(value):
        raise Refused(f"it is {value}, which JSON cannot hold; use None")
    return Decimal(value) if isinstance(value, Decimal) else float(value)


def text_bytes(text: str) -> int:
    """About how many bytes `text` takes; refuses what is not valid Unicode."""
    if text.isascii():
        return len(text) + _BASE_BYTES
    try:
        return len(text.encode()) + _BASE_BYTES
    except UnicodeEncodeError:
        raise Refused("it is a string with a lone surrogate, which is not a Unicode character") from None


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
