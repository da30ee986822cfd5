"""How a file writes numbers, dates and times, and the form that all destinations read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.connectors.contract.schema import Kind
from app.connectors.sources.files.time_formats import TimeFormat
from app.connectors.values.casting import NON_FINITE, Unfit

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.sources.files.options import FilesParameters

NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL, Kind.FLOAT})
MOMENTS: Final = frozenset({Kind.TIMESTAMP, Kind.LOCAL_TIMESTAMP})
KINDS_OF: Final = {
    "decimal": NUMBERS,
    "thousands": NUMBERS,
    "date_format": frozenset({Kind.DATE}),
    "timestamp_format": MOMENTS,
}
"""The kinds of columns that an option is about."""

# What programs write for a space and for an apostrophe between digits.
_SEPARATORS: Final = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}
_USUAL: Final = (".", None)
_SIGNS: Final = (",", ".", " ", "'")


class Numbers:
    """Numbers with this decimal point and, with `thousands`, perhaps with one of these between groups of digits."""

    def __init__(self, decimal: str, thousands: str | None) -> None:
        self._decimal, self._thousands = decimal, thousands
        # Nobody writes a zero before a group: `0,123` has a decimal comma.
        groups = (
            rf"[1-9]\d{{0,2}}(?:[{re.escape(_SEPARATORS.get(thousands, thousands))}]\d{{3}})+|" if thousands else ""
        )
        self._pattern = re.compile(
            rf"[ \t]*(?:\+|(?P<minus>-)?)(?P<whole>{groups}\d*)(?:{re.escape(decimal)}(?P<fraction>\d*))?"
            r"(?P<exponent>[eE][+-]?\d+)?[ \t]*",
            re.ASCII,
        )

    def read(self, text: str) -> str:
        """`text` in the form of JSON, also if it has a plus sign or no digit on one side of the point."""
        if (number := self.plain(text)) is not None:
            return number
        if text in NON_FINITE:
            return text
        raise Unfit(f"it is not a number{self._hint(text)}")

    def plain(self, text: str) -> str | None:
        """The same; None if it is not such a number."""
        found = self._pattern.fullmatch(text)
        if found is None or not (found["whole"] or found["fraction"]):
            return None
        whole = re.sub(r"\D", "", found["whole"])
        fraction = f".{found['fraction']}" if found["fraction"] else ""
        return f"{found['minus'] or ''}{whole or '0'}{fraction}{found['exponent'] or ''}"

    def _hint(self, text: str) -> str:
        """What to set if `text` is a number in another notation."""
        ways = [way for decimal in (",", ".") if (way := _way(text, decimal))]
        return f"; if it is one, set {' or '.join(ways)}" if ways else ""


USUAL_NUMBERS: Final = Numbers(*_USUAL)


def _way(text: str, decimal: str) -> str | None:
    """What to set with this decimal point, so that `text` is a number; None if nothing helps."""
    for thousands in (None, *_SIGNS):
        if thousands != decimal and Numbers(decimal, thousands).plain(text) is not None:
            point = f"'decimal: {json.dumps(decimal)}'"
            return f"{point} and 'thousands: {json.dumps(thousands)}'" if thousands else point
    return None


@dataclass(frozen=True, slots=True)
class Notation:
    """`readers` turn texts of some kinds of columns into their usual form; they raise `Unfit`."""

    readers: dict[Kind, Callable[[str], str]]

    @classmethod
    def of(cls, parameters: FilesParameters) -> Notation:
        readers: dict[Kind, Callable[[str], str]] = {}
        if (parameters.decimal, parameters.thousands) != _USUAL:
            readers |= dict.fromkeys(NUMBERS, Numbers(parameters.decimal, parameters.thousands).read)
        if (given := parameters.date_format) is not None:
            readers[Kind.DATE] = _time_reader("date_format", given, clock=False)
        if (given := parameters.timestamp_format) is not None:
            readers |= dict.fromkeys(MOMENTS, _time_reader("timestamp_format", given, clock=True))
        return cls(readers)


USUAL: Final = Notation({})


def _time_reader(option: str, given: str, *, clock: bool) -> Callable[[str], str]:
    format_ = TimeFormat(given, clock=clock)

    def read(text: str) -> str:
        try:
            moment = format_.read(text)
        except ValueError as error:
            raise Unfit(f"{error} ({option!r})") from None
        return (moment if clock else moment.date()).isoformat()

    return read
