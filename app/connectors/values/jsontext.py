"""Reads and writes JSON without changing a number: fractions are `Decimal`, integers have any size."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

_SHOWN_CHARACTERS: Final = 80


def fraction(text: str) -> Decimal:
    """The exact number; raises `ValueError`, as decoders expect, for an exponent that `Decimal` does not allow."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("Number out of range") from None


def is_finite(number: float | Decimal) -> bool:
    """`math.isfinite` would turn a `Decimal` into a double, which may be too small for it."""
    return number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)


def non_finite_name(number: float | Decimal) -> str:
    """What databases call it: NaN, Infinity or -Infinity."""
    if number.is_nan() if isinstance(number, Decimal) else math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


decode = msgspec.json.Decoder(float_hook=fraction).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def encode(value: Any) -> str:
    """`value` as JSON; a `Decimal` as a number."""
    return _encode(value).decode()


def preview(value: Any) -> str:
    """The start of `value` for a message, with control characters escaped; strings are in quotes."""
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
