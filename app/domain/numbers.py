"""Ranges of integers; and numbers in the catalogue, which may be strings, as the values of placeholders are."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

from app.domain.ports import HIGHEST_PORT

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
    return _check_number(value, _WHOLE, "int_parsing")


def _check_real(value: Any) -> Any:
    return _check_number(value, _NUMBER, "float_parsing")


def _check_number(value: Any, form: re.Pattern[str], error: Literal["int_parsing", "float_parsing"]) -> Any:
    # Python accepts True as 1 and "1_000" as a number, but `days: true` does not mean one day.
    if isinstance(value, bool) or (isinstance(value, str) and not form.fullmatch(value.strip())):
        raise PydanticKnownError(error)
    return value


Whole = Annotated[int, BeforeValidator(_check_whole)]
"""An integer, possibly as a string: `12`, `"+12"`, `"12.0"`; not a Boolean, and not `"1_000"`."""

Number = Annotated[float, BeforeValidator(_check_real)]
"""A number, possibly as a string: `0.5`, `".5"`, `"1e3"`; not a Boolean, and not `"nan"` or `"1_000"`."""

Port = Annotated[Whole, Field(ge=1, le=HIGHEST_PORT)]
"""A TCP port."""
