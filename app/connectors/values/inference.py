"""The columns of records that nobody described: each field gets the kind that keeps its first values."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.connectors.contract.schema import Kind, integer_kind, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# In this order: a truth value is a whole number to Python, a datetime a date.
_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (bool, Kind.BOOLEAN),
    ((float, Decimal), Kind.NUMBER),
    ((str, uuid.UUID), Kind.TEXT),
    (dt.datetime, Kind.TIMESTAMP),
    (dt.date, Kind.DATE),
    (dt.time, Kind.TIME),
    ((bytes, bytearray, memoryview), Kind.BYTES),
)


def inferred(records: Iterable[Mapping[str, Any]], *, known: Iterable[str]) -> dict[str, Kind]:
    """The kind of each field that is not `known` and has a value, in the order in which they come.

    Whole numbers and fractions together are numbers, times of several kinds and text are text, and any other mixture
    is JSON, so that 1 and "1" stay different.
    """
    kinds: dict[str, set[Kind]] = {}
    names = set(known)
    for record in records:
        for name, value in record.items():
            if name not in names and value is not None:
                kinds.setdefault(name, set()).add(kind_of(value))
    return {name: merged(found) for name, found in kinds.items()}


def kind_of(value: Any) -> Kind:
    """The kind of column that holds `value`."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    if isinstance(value, int):
        return integer_kind(value)
    return Kind.JSON
