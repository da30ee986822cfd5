"""Reads and writes JSON without changing a number: fractions are `Decimal`, integers have any size."""

from __future__ import annotations

import json
import math
import re
from decimal import Context, Decimal, InvalidOperation
from functools import partial
from typing import Any, Final

import msgspec

from app.domain.shortening import shortened

_SHOWN_CHARACTERS: Final = 80
_cut: Final = partial(shortened, longest=_SHOWN_CHARACTERS)


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
_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
# Perhaps, as strings may look like it: a zero at the end of a fraction, an exponent, or a zero below zero.
_ODD_NUMBER: Final = re.compile(r"\.\d*0(?!\d)|\d[eE][+-]?\d|-0(?!\.)")
_LONGEST_INTEGER: Final = 40
_LONGER_INTEGER: Final = re.compile(rf"[0-9]{{{_LONGEST_INTEGER + 1}}}")
EXACT: Final = Context(prec=200_000, Emax=999_999_999, Emin=-999_999_999)
"""Keeps every digit of any number that is loaded."""


def encode(value: Any) -> str:
    """`value` as JSON; a `Decimal` as a number."""
    return _encode(value).decode()


def encode_canonical(value: Any) -> str:
    """`value` as JSON that is the same text for equal values: keys are sorted, and numbers have one form.

    RFC 8785 says the same of keys; its numbers are doubles, and these keep all digits.
    """
    text = _encode_sorted(value).decode()
    is_odd = _ODD_NUMBER.search(text) or (len(text) > _LONGEST_INTEGER and _LONGER_INTEGER.search(text))
    return _encode_sorted(_with_canonical_numbers(value)).decode() if is_odd else text


def _with_canonical_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_canonical_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_canonical_numbers(inner) for inner in value]
    if isinstance(value, float):
        value = Decimal(repr(value)) if math.isfinite(value) else value
    if type(value) is int:
        value = Decimal(value)
    return _canonical_number(value) if isinstance(value, Decimal) and value.is_finite() else value


def _canonical_number(number: Decimal) -> int | Decimal:
    if number == number.to_integral_value() and number.adjusted() < _LONGEST_INTEGER:
        return int(number)
    normal = EXACT.normalize(number)
    return normal if normal == number else number


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
