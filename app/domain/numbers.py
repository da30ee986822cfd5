"""Numbers of the configuration, which may be texts: a placeholder makes one of every value."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

HIGHEST_PORT: Final = 65535

_WHOLE: Final = re.compile(r"[+-]?[0-9]+(\.0+)?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _whole(value: Any) -> Any:
    return _written_number(value, _WHOLE, "must be an integer")


def _number(value: Any) -> Any:
    return _written_number(value, _NUMBER, "must be a number")


def _written_number(value: Any, form: re.Pattern[str], message: str) -> Any:
    # Python's True is 1, and it reads `1_000`: who writes `days: true` does not mean a day.
    if isinstance(value, bool) or (isinstance(value, str) and not form.fullmatch(value.strip())):
        raise ValueError(message)
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number, or the text of one: `12`, `"+12"`, `"12.0"`; no truth value and no `"1_000"`."""

Number = Annotated[float, BeforeValidator(_number)]
"""A number, or the text of one: `0.5`, `".5"`, `"1e3"`; no truth value, and no text such as `"nan"` or `"1_000"`."""

Port = Annotated[Whole, Field(ge=1, le=HIGHEST_PORT)]
"""Of TCP."""
