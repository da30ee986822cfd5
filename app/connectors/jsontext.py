"""JSON in and out without changing a number: fractions are `Decimal`, integers have any size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def encode(value: Any) -> str:
    """`value` as JSON text; a `Decimal` as the number that it is."""
    return _encode(value).decode()
