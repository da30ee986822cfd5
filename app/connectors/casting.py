"""Values fitted to the column they go to, or refused: no value is ever stored as another one.

Destinations describe each column that they have with one of the classes below. Equal values may change their form
(5.0 becomes 5 in an integer column, 12:00+02:00 becomes 10:00Z), different values never replace each other.
"""

from __future__ import annotations

import json
import math
import re
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Protocol

from app.connectors import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN_CHARACTERS = 80
_INTEGER_TEXT = re.compile(r"-?\d{1,4000}")
_NUMBER_TEXT = re.compile(r"-?\d{1,4000}(\.\d{1,4000})?([eE][+-]?\d{1,5})?")
_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")
_HALF = "it has half of a surrogate pair, which is no text"
# More than a double has on either side of its point.
_DOUBLE_DIGITS = 400
_EXACT = Context(prec=200_000, Emax=999_999_999, Emin=-999_999_999)


class ValueRefusedError(ConfigurationError):
    """A column of a destination cannot hold a value as it is: change the column's type, or the source."""


class Unfit(Exception):  # noqa: N818 -- a verdict on its way to ValueRefusedError, which names the place
    """Why a value does not fit."""


class Holds(Protocol):
    """What a column can hold."""

    def takes(self, present: list[Any], types: set[type]) -> bool:
        """Whether all of `present`, whose types are `types`, may go as they are: a quick answer for a whole batch."""

    def cast(self, value: Any) -> Any:
        """`value` in the form of the column; raises `Unfit`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is in the destination; `type` is its name there, for messages."""

    name: str
    type: str
    holds: Holds


def cast_columns(records: list[dict[str, Any]], columns: dict[str, Column], *, table: str) -> list[list[Any]]:
    """One list of values for each of `columns` (field → column); a field that a record lacks is None.

    Raises:
        ValueRefusedError: with table, column, its type and the value.
    """
    return [_cast([record.get(field) for record in records], column, table) for field, column in columns.items()]


def _cast(values: list[Any], column: Column, table: str) -> list[Any]:
    types = set(map(type, values))
    present = values
    if type(None) in types:
        types.discard(type(None))
        present = [value for value in values if value is not None]
    if not present or column.holds.takes(present, types):
        return values
    cast = column.holds.cast
    value = None
    try:
        if present is values:
            return [cast(value := each) for each in values]
        return [None if each is None else cast(value := each) for each in values]
    except Unfit as unfit:
        place = f"column {column.name!r} of table {table!r} is {column.type}"
        raise ValueRefusedError(f"{place} and cannot hold {_shown(value)}: {unfit}") from None


def _shown(value: Any) -> str:
    """The begin of it, without anything that a log could not keep."""
    try:
        text = value if isinstance(value, str) else jsontext.encode(value)
    except UnicodeEncodeError:
        text = repr(value)
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return json.dumps(cut, ensure_ascii=False).encode(errors="backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class Boolean:
    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- the types tell
        return types == {bool}

    def cast(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise Unfit("it is neither true nor false")


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    def takes(self, present: list[Any], types: set[type]) -> bool:
        return types == {int} and min(present) >= self.low and max(present) <= self.high

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
    """Decimal numbers of at most `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int

    def takes(self, present: list[Any], types: set[type]) -> bool:
        if types == {float}:
            return self.precision - self.scale > _DOUBLE_DIGITS < self.scale and all(map(math.isfinite, present))
        limit = 10 ** min(self.precision - self.scale, 18)
        return types == {int} and self.scale >= 0 and max(present) < limit and min(present) > -limit

    def cast(self, value: Any) -> int | Decimal:
        number = _number(value)
        exact = Decimal(number)
        exponent = exact.as_tuple().exponent
        if int(exponent) < -self.scale and int(_EXACT.normalize(exact).as_tuple().exponent) < -self.scale:
            raise Unfit("it has more digits after the point")
        if exact and exact.adjusted() >= self.precision - self.scale:
            raise Unfit("it is out of range")
        return number


@dataclass(frozen=True, slots=True)
class Floating:
    """Binary floating point; a number fits if the shortest text of the nearest float is that number again."""

    bits: int

    def takes(self, present: list[Any], types: set[type]) -> bool:
        """A float is the nearest to itself; any other number has to be tried."""
        return self.bits == 64 and types == {float} and all(map(math.isfinite, present))  # noqa: PLR2004

    def cast(self, value: Any) -> float:
        number = _number(value)
        try:
            nearest = float(number)
            shortest = repr(nearest) if self.bits == 64 else _shortest_single(nearest)  # noqa: PLR2004
        except OverflowError:
            raise Unfit("it is out of range") from None
        if Decimal(shortest) != number:
            raise Unfit("it has more digits than a float keeps")
        return nearest


def _shortest_single(number: float) -> str:
    packed = struct.pack("f", number)
    (single,) = struct.unpack("f", packed)
    texts = (f"{single:.{digits}g}" for digits in range(1, 10))
    return next((text for text in texts if struct.pack("f", float(text)) == packed), repr(single))


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at most `limit` characters; `nul` tells whether U+0000 can be stored."""

    limit: int | None = None
    nul: bool = False

    def takes(self, present: list[Any], types: set[type]) -> bool:
        if types != {str} or (self.limit is not None and max(map(len, present)) > self.limit):
            return False
        joined = "".join(present)
        return (self.nul or "\0" not in joined) and _is_unicode(joined)

    def cast(self, value: Any) -> str:
        if isinstance(value, bytes):
            raise Unfit("it is of bytes")
        text = value if isinstance(value, str) else jsontext.encode(value)
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
    """JSON of any shape, passed on as text; a missing value and a JSON null are both NULL."""

    nul: bool = False

    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- each value becomes text
        return False

    def cast(self, value: Any) -> str:
        try:
            text = jsontext.encode(value)
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
class Timestamp:
    """Points in time (`zone`) or wall clock times; without an offset UTC is meant, as Singer's specification says."""

    zone: bool
    digits: int = 6

    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- each text is parsed
        return False

    def cast(self, value: Any) -> datetime:
        moment = _moment(value)
        if moment.microsecond % 10 ** (6 - self.digits):
            raise Unfit("it has more digits of a second")
        if self.zone:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return _without_zone(moment)


@dataclass(frozen=True, slots=True)
class Date:
    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- each text is parsed
        return False

    def cast(self, value: Any) -> date:
        moment = _without_zone(_moment(value))
        if moment.time() != time.min:
            raise Unfit("it has a time of day")
        return moment.date()


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    digits: int = 6

    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- each text is parsed
        return False

    def cast(self, value: Any) -> time:
        if not isinstance(value, str) or _FINER_THAN_MICROSECONDS.search(value):
            raise Unfit("it is not a time of day in microseconds")
        try:
            clock = time.fromisoformat(value)
        except ValueError:
            raise Unfit("it is not an ISO 8601 time of day") from None
        if clock.utcoffset():
            raise Unfit("it has an offset from UTC")
        if clock.microsecond % 10 ** (6 - self.digits):
            raise Unfit("it has more digits of a second")
        return clock.replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Uuid:
    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- each text is parsed
        return False

    def cast(self, value: Any) -> str:
        try:
            return str(uuid.UUID(value))
        except (ValueError, AttributeError, TypeError):
            raise Unfit("it is not a UUID") from None


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A type that only the destination knows: its own input function parses the text, or refuses it."""

    def takes(self, present: list[Any], types: set[type]) -> bool:
        return types == {str} and "\0" not in "".join(present)

    def cast(self, value: Any) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise Unfit("only text without U+0000 can be given to this type")
        return value


@dataclass(frozen=True, slots=True)
class Binary(Verbatim):
    """Bytes, in the destination's own `notation`; text is taken to be in it already."""

    notation: Callable[[bytes], str]

    def cast(self, value: Any) -> str:
        return self.notation(value) if isinstance(value, bytes) else Verbatim.cast(self, value)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes as they are, for what takes them without a notation."""

    def takes(self, present: list[Any], types: set[type]) -> bool:  # noqa: ARG002 -- the types tell
        return types == {bytes}

    def cast(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        raise Unfit("it is not of bytes")


def _number(value: Any) -> int | Decimal:
    if isinstance(value, str):
        if _INTEGER_TEXT.fullmatch(value):
            return int(value)
        if _NUMBER_TEXT.fullmatch(value):
            return Decimal(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(value, (Decimal, float)):
        number = Decimal(repr(value)) if isinstance(value, float) else value
        if number.is_finite():
            return number
    raise Unfit("it is not a number")


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise Unfit("it is not a time in ISO 8601")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Unfit("it is not a time in ISO 8601 between the years 1 and 9999") from None
    if len(value) > 26 and _FINER_THAN_MICROSECONDS.search(value):  # noqa: PLR2004 -- a shorter text has no 7th digit
        raise Unfit("it is finer than microseconds")
    return moment


def _without_zone(moment: datetime) -> datetime:
    if moment.utcoffset() not in (None, timedelta(0)):
        raise Unfit("it has an offset from UTC that the column cannot keep")
    return moment.replace(tzinfo=None)
