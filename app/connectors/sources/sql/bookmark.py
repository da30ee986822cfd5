"""How far an incremental read has come: the highest cursor value seen, as JSON text.

    {"cursor_field": "updated_at", "type": "text", "value": "2024-05-01 12:00:00+00"}

A time that a database shows in the session's zone has the type `timestamp_utc`: release 0.1.0 wrote `timestamp`, in the
zone that its session had, and where it does not know a type, it reads all rows.
The next read begins *at* this value, not after it, because rows with an equal one may have come later.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

# The type of a value as its driver returns it and takes it, with the functions to and from its text.
_FORMS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "integer": (int, str, int),
    "decimal": (Decimal, str, Decimal),
    "float": (float, repr, float),
    "text": (str, str, str),
    "timestamp": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "uuid": (UUID, str, UUID),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
}
_IN_UTC: Final = "timestamp_utc"
TYPES: Final = (*_FORMS, _IN_UTC)
_NAMES = {kind: name for name, (kind, _, _) in _FORMS.items()}


def encode(cursor_field: str, value: Any, *, in_utc: bool = False) -> str:
    """`value` as a bookmark. `in_utc`: the session that returned it was in UTC.

    Raises:
        ConfigurationError: the value cannot be ordered.
    """
    name = _NAMES.get(type(value))
    if name is None or (isinstance(value, float | Decimal) and not jsontext.is_finite(value)):
        found = (
            f"the value {value}" if isinstance(value, float | Decimal) else f"a value of type {type(value).__name__}"
        )
        raise ConfigurationError(
            f"cursor_field {cursor_field!r} has {found}, which has no order; choose a field of type {', '.join(_FORMS)}"
        )
    type_name = _IN_UTC if in_utc and name == "timestamp" else name
    return jsontext.encode({"cursor_field": cursor_field, "type": type_name, "value": _FORMS[name][1](value)})


def session_time(bookmark: str | None, begin: Any) -> datetime | None:
    """`begin`, the time in `bookmark`, if it is in the time zone of an earlier release's session."""
    if not isinstance(begin, datetime) or begin.tzinfo:
        return None
    fields = jsontext.decode(bookmark or "{}")
    # A development version wrote `"zone": "UTC"` with the old type.
    return None if fields["type"] == _IN_UTC or "zone" in fields else begin


def decode(bookmark: str | None, *, cursor_field: str) -> Any | None:
    """The value to begin at; None to read everything, as after a change of the cursor field."""
    try:
        fields = {} if bookmark is None else jsontext.decode(bookmark)
        if not isinstance(fields, dict) or fields.get("cursor_field") != cursor_field:
            return None
        name = "timestamp" if fields["type"] == _IN_UTC else fields["type"]
        return _FORMS[name][2](fields["value"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, ArithmeticError):
        return None
