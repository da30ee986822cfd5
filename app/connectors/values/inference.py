"""Columns for records without a schema: each field gets the kind that can store its first values."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.connectors.contract.schema import Kind, common_kind, integer_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# In this order: to Python, a Boolean is an integer and a datetime a date.
_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (bool, Kind.BOOLEAN),
    ((float, Decimal), Kind.NUMBER),
    ((str, uuid.UUID), Kind.TEXT),
    (dt.datetime, Kind.TIMESTAMP),
    (dt.date, Kind.DATE),
    (dt.time, Kind.TIME),
    ((bytes, bytearray, memoryview), Kind.BYTES),
)


def infer_kinds(records: Iterable[Mapping[str, Any]], *, known: Iterable[str]) -> dict[str, Kind]:
    """The kind of each field that is not `known` and has a value, in the order in which they come.

    Integers mixed with fractions are numbers, different kinds of times mixed with strings are strings, and any other
    mixture is JSON, so that 1 and "1" stay different.
    """
    kinds: dict[str, set[Kind]] = {}
    names = set(known)
    for record in records:
        for name, value in record.items():
            if name not in names and value is not None:
                kinds.setdefault(name, set()).add(kind_of(value))
    return {name: common_kind(found) for name, found in kinds.items()}


def kind_of(value: Any) -> Kind:
    """The kind of column that holds `value`."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    if isinstance(value, int):
        return integer_kind(value)
    return Kind.JSON
