"""JSON in and out without changing a number: fractions are `Decimal`, integers have any size."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec


def fraction(text: str) -> Decimal:
    """The number as it is; raises `ValueError`, as a decoder wants it, for an exponent that no `Decimal` has."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("Number out of range") from None


decode = msgspec.json.Decoder(float_hook=fraction).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def encode(value: Any) -> str:
    """`value` as JSON text; a `Decimal` as the number that it is."""
    return _encode(value).decode()
