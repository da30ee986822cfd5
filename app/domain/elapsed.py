"""Spans of time in words, rounded to what a reader needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
_TENTHS_BELOW: Final = 9.95
_TWO_UNITS_BELOW: Final = 10


def span_in_words(seconds: float) -> str:
    """`0.4 s`, `32 s`, `5 min`, `2 h 10 min`, `12 h`, `3 d 4 h`, `40 d`; what is below zero counts as none."""
    seconds = max(0.0, seconds)
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    if round(seconds) < _UNITS[-1][1]:
        return f"{seconds:.0f} s"
    for (unit, length), (smaller, part) in zip(_UNITS, [*_UNITS[1:], ("s", 1)], strict=True):
        whole, rest = divmod(round(seconds), length)
        if not whole:
            continue
        if whole < _TWO_UNITS_BELOW and smaller != "s" and rest // part:
            return f"{whole} {unit} {rest // part} {smaller}"
        return f"{whole} {unit}"
    raise AssertionError(seconds)


def ago_in_words(at: datetime, now: datetime) -> str:
    """When it was, or when it will be: `just now`, `5 min ago`, `in 2 h 10 min`."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "just now" if seconds >= 0 else "now"
    return f"in {span_in_words(-seconds)}" if seconds < 0 else f"{span_in_words(seconds)} ago"
