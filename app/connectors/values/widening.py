"""From what a column holds to what it has to hold as well, without changing a value."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final, NamedTuple

from app.connectors.contract.schema import Digits, Kind, common_kind
from app.connectors.values import casting, times
from app.connectors.values.inference import kind_of
from app.domain.numbers import signed_integers

_LONG: Final = signed_integers(64)
_LONG_DIGITS: Final = 19
_KINDS: Final[tuple[tuple[type[casting.Holds], Kind], ...]] = (
    (casting.Boolean, Kind.BOOLEAN),
    (casting.Floating, Kind.FLOAT),
    (casting.Text, Kind.TEXT),
    (casting.Json, Kind.JSON),
    (casting.Uuid, Kind.UUID),
    (times.Date, Kind.DATE),
    (times.TimeOfDay, Kind.TIME),
)
INTEGERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER})
EXACT: Final = INTEGERS | {Kind.DECIMAL}
ONE_TEXT: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.DATE, Kind.TIME, Kind.UUID, Kind.TEXT})
"""Databases write such values as text in the form in which they come; others have several forms."""
# Whatever comes, these stay: they hold everything, or nothing else can be made of their values.
_FINAL: Final = frozenset({Kind.TEXT, Kind.JSON, Kind.BYTES})


class Needed(NamedTuple):
    """What a column is to hold; `digits` of decimals, None if there is no limit or it is not known."""

    kind: Kind
    digits: Digits | None = None


FLOATS: Final = Needed(Kind.FLOAT)


def held_by(holds: casting.Holds) -> Needed | None:
    """What a column holds; None for types that only the database understands."""
    if isinstance(holds, casting.Integer):
        is_long = holds.low in _LONG and holds.high in _LONG
        return Needed(Kind.INTEGER if is_long else Kind.BIG_INTEGER)
    if isinstance(holds, casting.Number):
        unlimited = holds.precision >= casting.NUMERIC.precision
        return Needed(Kind.DECIMAL, None if unlimited else Digits(holds.precision, holds.scale))
    if isinstance(holds, times.Timestamp):
        return Needed(Kind.TIMESTAMP if holds.zone else Kind.LOCAL_TIMESTAMP)
    return next((Needed(kind) for type_, kind in _KINDS if isinstance(holds, type_)), None)


def needed_for(value: Any) -> Needed:
    """What holds this value; a finite fraction is a decimal with as many digits as it has."""
    if isinstance(value, float) and math.isfinite(value):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite():
        return Needed(Kind.DECIMAL, _digits_of(value))
    return Needed(kind_of(value))


def wider(held: Needed, needed: Needed, *, declared: bool) -> Needed | None:
    """What holds both; None if `held` does, or if nothing can without changing values that are there.

    What is needed is `declared` by the source, or only what holds one value that did not fit.
    """
    if held.kind in _FINAL or Kind.BYTES in (held.kind, needed.kind):
        return None
    if held.kind is Kind.FLOAT:
        # Doubles that came from decimals become these again; for others, only text is exact.
        if not declared:
            return Needed(Kind.TEXT)
        return needed if needed.kind is Kind.DECIMAL and needed.digits else None
    if {held.kind, needed.kind} <= EXACT and Kind.DECIMAL in (held.kind, needed.kind):
        both = _union(held, needed)
        return None if both == held else both
    kind = common_kind({held.kind, needed.kind})
    if kind is Kind.JSON and needed.kind is not Kind.JSON:
        kind = Kind.TEXT
    return None if kind is held.kind else Needed(kind)


def _union(one: Needed, other: Needed) -> Needed:
    digits, others = _as_digits(one), _as_digits(other)
    if digits is None or others is None:
        return Needed(Kind.DECIMAL)
    return Needed(Kind.DECIMAL, digits.union(others))


def _as_digits(needed: Needed) -> Digits | None:
    return Digits(_LONG_DIGITS, 0) if needed.kind is Kind.INTEGER else needed.digits


def _digits_of(value: Decimal) -> Digits:
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    return Digits(max(len(digits) + int(exponent), 0) + scale or 1, scale)
