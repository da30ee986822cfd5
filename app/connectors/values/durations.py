"""Times of day and lengths of time as text that PostgreSQL and DuckDB read alike."""

from __future__ import annotations

import struct
from typing import Final

_SECOND: Final = 1_000_000


def clock_text(micros: int) -> str:
    """`26:15:00`, `-01:30:00.5`: a signed clock time of any number of hours, which `24:00:00` is as well."""
    seconds, fraction = divmod(abs(micros), _SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return ("-" if micros < 0 else "") + text + (f".{fraction:06}" if fraction else "")


def interval_text(packed: bytes) -> str:
    """Parquet's interval: months, days and milliseconds, each in four bytes, the least significant byte first."""
    months, days, millis = struct.unpack("<III", packed)
    parts = [f"{months} mon" if months else "", f"{days} days" if days else ""]
    clock = clock_text(millis * 1000) if millis or not (months or days) else ""
    return " ".join(filter(None, [*parts, clock]))
