"""What can be wrong with a row of CSV, however it is read."""

from __future__ import annotations

from typing import Final

from app.connectors.sources.files.lines import LONGEST_FIELD

NEVER_CLOSED: Final = "the quote that opens here is never closed"
TOO_LONG: Final = f"the field is longer than {LONGEST_FIELD >> 20} Mi characters, or its quote is never closed"
LONE_RETURN: Final = "carriage return without a line feed: lines must end with a line feed"


def ends_wrong(delimiter: str) -> str:
    """A quoted field goes on behind its closing quote."""
    return f"the closing quote must be followed by the delimiter {delimiter!r} or the end of the line"
