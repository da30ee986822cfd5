"""Columns for records without a schema: each field gets the kind that can store its first values."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.connectors.contract.schema import Kind, common_kind, integer_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# In this order: to Python, a Boolean is an integer.
_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (bool, Kind.BOOLEAN),
    (float, Kind.FLOAT),
    (Decimal, Kind.DECIMAL),
    (str, Kind.TEXT),
    (uuid.UUID, Kind.UUID),
    (dt.date, Kind.DATE),
    (dt.time, Kind.TIME),
    (dt.timedelta, Kind.INTERVAL),
    ((bytes, bytearray, memoryview), Kind.BYTES),
)


def infer_kinds(records: Iterable[Mapping[str, Any]], *, known: Iterable[str], json: bool = False) -> dict[str, Kind]:
    """The kind of each field that is not `known` and has a value, in the order in which they come.

    `json`: the records come from JSON, whose fractions were read as `Decimal` and may be meant as floats.

    Integers mixed with fractions are numbers, different kinds of times mixed with strings are strings, and any other
    mixture is JSON, so that 1 and "1" stay different.
    """
    kinds: dict[str, set[Kind]] = {}
    names = set(known)
    kind_of_value = kind_of_json if json else kind_of
    for record in records:
        for name, value in record.items():
            if name not in names and value is not None:
                kinds.setdefault(name, set()).add(kind_of_value(value))
    return {name: common_kind(found) for name, found in kinds.items()}


def kind_of(value: Any) -> Kind:
    """The kind of column that holds `value`."""
    if isinstance(value, dt.datetime):
        return Kind.TIMESTAMP if value.tzinfo else Kind.LOCAL_TIMESTAMP
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    if isinstance(value, int):
        return integer_kind(value)
    return Kind.JSON


def kind_of_json(value: Any) -> Kind:
    """The same for a value from JSON: a fraction is a number, or a decimal if a double would change it."""
    return Kind.NUMBER if isinstance(value, Decimal) and _survives_as_double(value) else kind_of(value)


def _survives_as_double(value: Decimal) -> bool:
    return Decimal(repr(float(value))) == value
