"""Ranges of integers; and numbers in the configuration, where a placeholder turns every value into a string."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

HIGHEST_PORT: Final = 65535

EXACT_IN_A_DOUBLE: Final = 2**53
"""Every integer from minus this to this is exact in a double."""

_WHOLE: Final = re.compile(r"[+-]?[0-9]+(\.0+)?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def signed_integers(bits: int) -> range:
    """The integers of this many bits, one of which is the sign."""
    return range(-(2 ** (bits - 1)), 2 ** (bits - 1))


def unsigned_integers(bits: int) -> range:
    """The integers of this many bits without a sign."""
    return range(2**bits)


def _check_whole(value: Any) -> Any:
    return _check_number(value, _WHOLE, "must be an integer")


def _check_real(value: Any) -> Any:
    return _check_number(value, _NUMBER, "must be a number")


def _check_number(value: Any, form: re.Pattern[str], message: str) -> Any:
    # To Python, True is 1 and "1_000" is a number; `days: true` does not mean one day.
    if isinstance(value, bool) or (isinstance(value, str) and not form.fullmatch(value.strip())):
        raise ValueError(message)
    return value


Whole = Annotated[int, BeforeValidator(_check_whole)]
"""An integer, or a string of one: `12`, `"+12"`, `"12.0"`; no Boolean and no `"1_000"`."""

Number = Annotated[float, BeforeValidator(_check_real)]
"""A number, or a string of one: `0.5`, `".5"`, `"1e3"`; no Boolean, and no string such as `"nan"` or `"1_000"`."""

Port = Annotated[Whole, Field(ge=1, le=HIGHEST_PORT)]
"""A TCP port."""
