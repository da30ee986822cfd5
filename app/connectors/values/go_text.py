"""Values as programs in Go write them: `fmt.Sprint` and `encoding/json`, as far as values come from JSON.

https://pkg.go.dev/fmt, https://pkg.go.dev/encoding/json
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Go puts these into HTML without further ado.
_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_encode: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_LEAST_DIGIT: Final = -4


def sprint(value: Any) -> str:
    """The text of `fmt.Sprint`. A number from JSON is written as it was there.

    A `Decimal` does not know whether it was written with an exponent. One that Python, in which taps are written, would
    write with one is taken to have been written so.
    """
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{sprint(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(sprint, value))}]"
    return str(value)


def _number(value: float | Decimal) -> str:
    if isinstance(value, float) or not value.is_finite():
        return repr(float(value))
    has_exponent = int(value.as_tuple().exponent) > 0 or (value != 0 and value.adjusted() < _LEAST_DIGIT)
    if has_exponent and Decimal(repr(float(value))) == value:
        return repr(float(value))
    return str(value)


def json_text(value: Any) -> str:
    """The text of `json.Marshal`: without spaces, with sorted keys, and fit for HTML.

    Raises:
        UnicodeEncodeError: a string has half of a surrogate pair.
    """
    text = _encode(value).decode()
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def hash_of_fields(record: Mapping[str, Any], fields: Iterable[str]) -> str:
    """Jitsu Classic's hash of some fields of a record: MD5 of their texts, sorted by name, each followed by a bar."""
    text = "".join(f"{sprint(record.get(field))}|" for field in sorted(fields))
    return hashlib.md5(text.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()
