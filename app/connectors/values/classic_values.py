"""The types of values in Postgres tables of Jitsu Classic (v1.44.8), and its points in time."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any, Final

from app.connectors.contract.schema import Kind
from app.connectors.values.inference import kind_of

KINDS: Final = {
    Kind.BOOLEAN: Kind.BOOLEAN,
    Kind.INTEGER: Kind.INTEGER,
    Kind.BIG_INTEGER: Kind.BIG_INTEGER,
    Kind.NUMBER: Kind.FLOAT,
    Kind.DECIMAL: Kind.FLOAT,
    Kind.FLOAT: Kind.FLOAT,
    Kind.TIMESTAMP: Kind.LOCAL_TIMESTAMP,
    Kind.LOCAL_TIMESTAMP: Kind.LOCAL_TIMESTAMP,
    Kind.BYTES: Kind.BYTES,
}
"""The kinds whose columns have Classic's types in Postgres; all others are texts there, and JSON is what it holds."""
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?",
)
_TOO_FINE: Final = re.compile(r"[.,]\d{7}")


def kind_of_value(value: Any) -> Kind:
    """The kind of the column that this value makes, as its first one."""
    if isinstance(value, str):
        return Kind.LOCAL_TIMESTAMP if _is_moment(value) else Kind.TEXT
    if isinstance(value, float | Decimal):
        return Kind.FLOAT
    return KINDS.get(kind_of(value), Kind.TEXT)


def _is_moment(text: str) -> bool:
    try:
        return bool(_MOMENT.fullmatch(text) and dt.datetime.fromisoformat(text))
    except ValueError:
        return False


def common_kind(kinds: set[Kind]) -> Kind:
    """The kind of a column whose first values, which come together, have these."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds <= {Kind.INTEGER, Kind.BIG_INTEGER}:
        return Kind.BIG_INTEGER
    return Kind.FLOAT if kinds <= {Kind.INTEGER, Kind.FLOAT} else Kind.TEXT


def in_utc(text: str) -> str:
    """A time with an offset as that of UTC, without one; any other text as it is, for the destination to judge."""
    if not _MOMENT.fullmatch(text) or _TOO_FINE.search(text):
        return text
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat() if moment.utcoffset() else text
    except (ValueError, OverflowError):
        return text
