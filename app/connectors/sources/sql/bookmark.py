"""Where an incremental reading has come to: the highest cursor value seen, as JSON text.

    {"cursor_field": "updated_at", "type": "text", "value": "2024-05-01 12:00:00+00"}

A time without an offset has `"zone": "UTC"`; without that, an earlier release has written it as its session had it.
The next reading begins *at* this value, not after it, because rows with an equal one may have come later.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from app.connectors import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

# The type of a value as its driver gives it, and wants it back, with the text that stands for it in between.
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
_NAMES = {kind: name for name, (kind, _, _) in _FORMS.items()}


def written(cursor_field: str, value: Any) -> str:
    """Raises `ConfigurationError` for a value that no order can go on from."""
    name = _NAMES.get(type(value))
    if name is None or (isinstance(value, float | Decimal) and not jsontext.is_finite(value)):
        shown = value if isinstance(value, float | Decimal) else type(value).__name__
        raise ConfigurationError(
            f"cursor_field {cursor_field!r} has the value {shown}, after which nothing is newer: "
            f"valid are values of type {', '.join(_FORMS)}"
        )
    zone = {"zone": "UTC"} if isinstance(value, datetime) and value.tzinfo is None else {}
    return jsontext.encode({"cursor_field": cursor_field, "type": name, "value": _FORMS[name][1](value)} | zone)


def of_a_session(bookmark: str | None, begin: Any) -> datetime | None:
    """The time `begin` of `bookmark`, if it is in the zone that an earlier release's session had."""
    if not isinstance(begin, datetime) or begin.tzinfo or "zone" in jsontext.decode(bookmark or "{}"):
        return None
    return begin


def read(bookmark: str | None, *, cursor_field: str) -> Any | None:
    """The value to begin at; None to begin at the beginning, as after a change of the cursor's field."""
    try:
        said = {} if bookmark is None else jsontext.decode(bookmark)
        if not isinstance(said, dict) or said.get("cursor_field") != cursor_field:
            return None
        return _FORMS[said["type"]][2](said["value"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, ArithmeticError):
        return None
