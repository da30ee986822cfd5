"""What a column of a destination can hold: no value is ever stored as a different one.

Destinations describe each of their columns with one of the classes below or in `times`. A value may change its form
(5.0 becomes 5 in an integer column, 12:00+02:00 becomes 10:00Z), but never what it means.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors.values import jsontext
from app.connectors.values.floats import single_text
from app.domain.numbers import EXACT_IN_A_DOUBLE, signed_integers, unsigned_integers

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGER_TEXT = re.compile(r"-?\d{1,4000}")
_NUMBER_TEXT = re.compile(r"-?\d{1,4000}(\.\d{1,4000})?([eE][+-]?\d{1,5})?")
NON_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
NOT_BYTES = "it is text, not bytes; convert it at the source, or load it into a column of text"
_HALF = "it contains half of a surrogate pair, which is not valid text"
# More than a double has on either side of the decimal point.
_DOUBLE_DIGITS = 400
# Every integer with this many digits fits into 64 bits.
_LONG_DIGITS = 18
_CANONICAL_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class Unfit(Exception):  # noqa: N818 -- becomes a ValueRefusedError, which names the column
    """Why a value does not fit."""


class Holds(Protocol):
    """What a column can hold."""

    def fits(self, array: pa.Array) -> pa.Array | None:
        """`array`, or an equal one, if all of its values are seen to fit; None if each has to be cast."""

    def cast(self, value: Any) -> Any:
        """`value`, which is not None, in the column's form; raises `Unfit`."""


@dataclass(frozen=True, slots=True)
class Boolean:
    def fits(self, array: pa.Array) -> pa.Array | None:
        return array if pa.types.is_boolean(array.type) else None

    def cast(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise Unfit("it is not a Boolean")


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    @classmethod
    def signed(cls, bits: int) -> Integer:
        return cls.within(signed_integers(bits))

    @classmethod
    def unsigned(cls, bits: int) -> Integer:
        return cls.within(unsigned_integers(bits))

    @classmethod
    def decimal(cls, digits: int) -> Integer:
        return cls(1 - 10**digits, 10**digits - 1)

    @classmethod
    def within(cls, values: range) -> Integer:
        return cls(values.start, values.stop - 1)

    def fits(self, array: pa.Array) -> pa.Array | None:
        return array if pa.types.is_integer(array.type) and is_within(array, self.low, self.high) else None

    def cast(self, value: Any) -> int:
        number = _number(value)
        if isinstance(number, Decimal):
            if number.adjusted() > len(str(self.high)):
                raise Unfit("it is out of range")
            if number != int(number):
                raise Unfit("it has a fraction")
            number = int(number)
        if not self.low <= number <= self.high:
            raise Unfit("it is out of range")
        return number


@dataclass(frozen=True, slots=True)
class Number:
    """Decimal numbers of at most `precision` digits, `scale` of them after the decimal point.

    `others` are values that are not finite numbers, by their names in `NON_FINITE`.
    """

    precision: int
    scale: int
    others: frozenset[str] = frozenset()

    def fits(self, array: pa.Array) -> pa.Array | None:
        before_the_point = self.precision - self.scale
        if pa.types.is_float64(array.type):
            fits = min(before_the_point, self.scale) > _DOUBLE_DIGITS and _is_finite(array)
        elif pa.types.is_integer(array.type):
            limit = 10 ** min(before_the_point, _LONG_DIGITS)
            fits = self.scale >= 0 and is_within(array, 1 - limit, limit - 1)
        else:
            fits = False
        return array if fits else None

    def cast(self, value: Any) -> int | Decimal:
        try:
            number = _number(value)
        except Unfit:
            if (name := _non_finite(value)) is None or name not in self.others:
                raise
            return Decimal(name)
        text = str(number)
        # Neither side of the point is longer than the whole, so most numbers need no closer look.
        if "E" not in text and len(text) <= min(self.scale, self.precision - self.scale):
            return number
        exact = Decimal(number)
        if _exponent(exact) < -self.scale:
            exact = jsontext.EXACT.normalize(exact)
            if _exponent(exact) < -self.scale:
                raise Unfit("it has too many digits after the decimal point")
        if exact and exact.adjusted() >= self.precision - self.scale:
            raise Unfit("it is out of range")
        return exact or 0  # 0E+50 is zero as well, but not every column accepts it


# https://www.postgresql.org/docs/current/datatype-numeric.html
_NUMERIC_DIGITS, _NUMERIC_SCALE = 131_072, 16_383
NUMERIC = Number(precision=_NUMERIC_DIGITS + _NUMERIC_SCALE, scale=_NUMERIC_SCALE)
"""Every number that PostgreSQL's `numeric` can hold."""
NUMERIC_INTEGER = Number(precision=_NUMERIC_DIGITS, scale=0)


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)


@dataclass(frozen=True, slots=True)
class Floating:
    """Binary floating point; a number fits if the shortest string of the nearest float is that number again.

    `non_finite`: infinities and NaN can be stored, too.
    """

    bits: int
    non_finite: bool = False

    def fits(self, array: pa.Array) -> pa.Array | None:
        """Doubles always fit; any other fraction has to be tried."""
        if self.bits != 64:  # noqa: PLR2004
            return None
        if pa.types.is_integer(array.type):
            fits = is_within(array, -EXACT_IN_A_DOUBLE, EXACT_IN_A_DOUBLE)
        else:
            fits = pa.types.is_float64(array.type) and (self.non_finite or _is_finite(array))
        return array if fits else None

    def cast(self, value: Any) -> float:
        try:
            number = _number(value)
        except Unfit:
            if not self.non_finite or (name := _non_finite(value)) is None:
                raise
            return float(name)
        try:
            nearest = float(number)
            shortest = repr(nearest) if self.bits == 64 else single_text(nearest)  # noqa: PLR2004
        except OverflowError:
            raise Unfit("it is out of range") from None
        if Decimal(shortest) != number:
            raise Unfit("it has more digits than a float can keep")
        return nearest


@dataclass(frozen=True, slots=True)
class Text:
    """Strings of at most `limit` characters; `nul` says whether U+0000 can be stored."""

    limit: int | None = None
    nul: bool = False

    def fits(self, array: pa.Array) -> pa.Array | None:
        if not pa.types.is_string(array.type) or (not self.nul and _has_nul_character(array)):
            return None
        return array if self.limit is None or pc.max(pc.utf8_length(array)).as_py() <= self.limit else None

    def cast(self, value: Any) -> str:
        if isinstance(value, bytes):
            raise Unfit("it is bytes, not text")
        try:
            text = value if isinstance(value, str) else _non_finite(value) or jsontext.encode(value)
        except UnicodeEncodeError:
            raise Unfit(_HALF) from None
        if self.limit is not None and len(text) > self.limit:
            raise Unfit("it is too long")
        if not self.nul and "\0" in text:
            raise Unfit("it contains the character U+0000")
        if not _is_unicode(text):
            raise Unfit(_HALF)
        return text


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True, slots=True)
class Json:
    """JSON of any shape, passed on as a string; a missing value and a JSON null are both NULL.

    `canonical`: for destinations that compare it as a string, so that equal values must be equal strings.
    """

    nul: bool = False
    canonical: bool = False

    def fits(self, array: pa.Array) -> pa.Array | None:  # noqa: ARG002 -- each value becomes text
        return None

    def cast(self, value: Any) -> str:
        if not isinstance(value, str) and (name := _non_finite(value)):
            raise Unfit(f"JSON has no {name}")
        try:
            text = jsontext.encode_canonical(value) if self.canonical else jsontext.encode(value)
        except UnicodeEncodeError:
            raise Unfit(_HALF) from None
        if not self.nul and "\\u0000" in text and _has_nul(value):
            raise Unfit("it contains the character U+0000")
        return text


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, value)) or any(map(_has_nul, value.values()))
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


@dataclass(frozen=True, slots=True)
class Uuid:
    def fits(self, array: pa.Array) -> pa.Array | None:
        canonical = pa.types.is_string(array.type) and pc.all(pc.match_substring_regex(array, _CANONICAL_UUID)).as_py()
        return array if canonical else None

    def cast(self, value: Any) -> str:
        try:
            return str(uuid.UUID(value))
        except (ValueError, AttributeError, TypeError):
            raise Unfit("it is not a UUID") from None


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A type that only the destination knows: its own input function parses the string, or refuses it."""

    def fits(self, array: pa.Array) -> pa.Array | None:
        return array if pa.types.is_string(array.type) and not _has_nul_character(array) else None

    def cast(self, value: Any) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise Unfit("this type accepts only text without U+0000")
        if not _is_unicode(value):
            raise Unfit(_HALF)
        return value


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes, in the destination's own `notation`."""

    notation: Callable[[bytes], str]

    def fits(self, array: pa.Array) -> pa.Array | None:  # noqa: ARG002 -- each value is written in the notation
        return None

    def cast(self, value: Any) -> str:
        return self.notation(_bytes(value))


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes as they are, for destinations that need no notation."""

    def fits(self, array: pa.Array) -> pa.Array | None:
        return array if pa.types.is_binary(array.type) else None

    def cast(self, value: Any) -> bytes:
        return _bytes(value)


def _bytes(value: Any) -> bytes:
    """Nobody can tell which bytes a string stands for: those of its characters, or those that they spell as digits."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        raise Unfit(NOT_BYTES)
    raise Unfit("it is not bytes")


def _number(value: Any) -> int | Decimal:
    if isinstance(value, str):
        if _INTEGER_TEXT.fullmatch(value):
            return int(value)
        if _NUMBER_TEXT.fullmatch(value):
            return Decimal(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(value, (Decimal, float)):
        number = _exact(value) if isinstance(value, float) else value
        if isinstance(number, int) or number.is_finite():
            return number
    raise Unfit("it is not a number")


def _non_finite(value: Any) -> str | None:
    """The name in `NON_FINITE` of a value that is not a finite number; None for any other value."""
    if isinstance(value, str):
        return value if value in NON_FINITE else None
    if not isinstance(value, float | Decimal) or jsontext.is_finite(value):
        return None
    return jsontext.non_finite_name(value)


def _exact(value: float) -> int | Decimal:
    """An integer is the same whether it came as 5 or as 5.0, as it is to Arrow; -0.0 keeps its sign."""
    whole = value.is_integer() and abs(value) < EXACT_IN_A_DOUBLE
    return int(value) if whole and repr(value) != "-0.0" else Decimal(repr(value))


def is_within(array: pa.Array, low: int, high: int) -> bool:
    """Whether all values lie from `low` to `high`; NULLs do not count."""
    extremes = pc.min_max(array).as_py()
    return bool(low <= extremes["min"] and extremes["max"] <= high)


def _is_finite(array: pa.Array) -> bool:
    return bool(pc.all(pc.is_finite(array)).as_py())


def _has_nul_character(array: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring(array, "\0")).as_py())
