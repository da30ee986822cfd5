"""JSON in and out without changing a number: fractions are `Decimal`, integers have any size."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

_SHOWN_CHARACTERS: Final = 80


def fraction(text: str) -> Decimal:
    """The number as it is; raises `ValueError`, as a decoder wants it, for an exponent that no `Decimal` has."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("Number out of range") from None


def is_finite(number: float | Decimal) -> bool:
    """`math.isfinite` makes a double of a `Decimal`, which can be larger than all of those."""
    return number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)


decode = msgspec.json.Decoder(float_hook=fraction).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def encode(value: Any) -> str:
    """`value` as JSON text; a `Decimal` as the number that it is."""
    return _encode(value).decode()


def shown(value: Any) -> str:
    """The begin of `value` for a message, without anything that a log could not keep; a text is in quotes."""
    if isinstance(value, str):
        return json.dumps(_cut(value), ensure_ascii=False).encode(errors="backslashreplace").decode()
    if isinstance(value, float | bytes):  # JSON has no bytes, and no NaN
        return _cut(repr(value))
    try:
        return _cut(encode(value))
    except UnicodeEncodeError:
        return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
