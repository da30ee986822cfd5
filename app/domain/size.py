"""Sizes as written in the catalogue: `500 MB`, `2 GB`, `1.5 GiB`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from app.domain.keys import NOTHING

_UNITS: Final = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
_FORM: Final = re.compile(rf"([0-9]+(?:\.[0-9]+)?) ?({'|'.join(_UNITS)})", re.IGNORECASE)
_BY_LOWER_CASE: Final = {unit.lower(): size for unit, size in _UNITS.items()}


def parse_size(text: str) -> int:
    """The number of bytes.

    Raises:
        ValueError: not a size, or less than 1 MB.
    """
    found = _FORM.fullmatch(text.strip())
    size = round(float(found[1]) * _BY_LOWER_CASE[found[2].lower()]) if found else 0
    if size < _UNITS["MB"]:
        raise ValueError(f"must be a size of at least 1 MB, such as 500 MB or 2 GB (units: {', '.join(_UNITS)})")
    return size


def format_sizes(used: int, limit: int) -> str:
    """`2.1 of 2 GB`: what was used of a limit that it exceeds, rounded up to a tenth of the limit's unit."""
    unit = "GB" if limit >= _UNITS["GB"] else "MB"
    shown = math.ceil(used / _UNITS[unit] * 10) / 10
    return f"{shown:g} of {limit / _UNITS[unit]:g} {unit}"


def _parse_value(value: Any) -> Any:
    if value is None or value == NOTHING:
        return None
    return parse_size(str(value))


Memory = Annotated[int | None, BeforeValidator(_parse_value, json_schema_input_type=str)]
"""In bytes; None: no limit."""
