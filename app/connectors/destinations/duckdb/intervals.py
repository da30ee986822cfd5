"""Lengths of time as DuckDB reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors.values.casting import Unfit, Verbatim

if TYPE_CHECKING:
    import pyarrow as pa

_PART: Final = "-?[0-9]+([.][0-9]+)? ?[A-Za-z]+"
_CLOCK: Final = "-?[0-9]+:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
_READABLE: Final = f"^(({_PART} ?)+{_CLOCK}|({_PART} ?)*{_PART}|{_CLOCK})$"
_SIGN: Final = re.compile(r"\+(?=\d)")


@dataclass(frozen=True, slots=True)
class Interval(Verbatim):
    """A string, such as `1 year -2 days 03:00:00`: a month has no fixed number of days.

    PostgreSQL writes `-1 years +1 day` and `-1 days +02:03:00`, but DuckDB reads no sign + there.
    """

    def fits(self, array: pa.Array) -> pa.Array | None:
        found = Verbatim.fits(self, array)
        readable = found is not None and pc.all(pc.match_substring_regex(found, _READABLE)).as_py()
        return found if readable else None

    def cast(self, value: Any) -> str:
        text = _SIGN.sub("", Verbatim.cast(self, value))
        if "infinity" in text:
            raise Unfit("intervals are finite there")
        if not re.search(_READABLE, text):
            raise Unfit("it is not an interval such as '1 year -2 days 03:00:00'")
        return text
