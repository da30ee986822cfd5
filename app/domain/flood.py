"""Limits the free text of an attempt: enough for every normal log, but not so much that it fills the database."""

from __future__ import annotations

import re
from typing import Final

BURST_BYTES: Final = 32 << 20
"""The size of the bucket."""
BYTES_A_SECOND: Final = 16 << 10
"""The rate at which the bucket fills."""

# After a flood, text is accepted again once there is room for this much, so that there is not a gap every few lines.
_RESUMED_BYTES: Final = 64 << 10
_LAST_BYTES: Final = 16 << 10
_REPORT: Final = re.compile(r"\[\d+ lines with \d+ bytes were dropped here: .*\]")


def is_report(line: str) -> bool:
    """Whether a line says how much was dropped."""
    return _REPORT.fullmatch(line) is not None


class Allowance:
    """A token bucket of bytes. Times are seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self._left = float(BURST_BYTES)
        self._at = now

    def takes(self, size: int, now: float, *, room: int = 0) -> bool:
        """Whether there is room for `size` and `room` bytes; if so, `size` bytes are used up."""
        self._left = min(BURST_BYTES, self._left + (now - self._at) * BYTES_A_SECOND)
        self._at = now
        if size + room > self._left:
            return False
        self._left -= size
        return True


class Bounded:
    """Passes text on to a log. Beyond the allowance, whole lines are dropped, and a line says how many.

    At the end, the last dropped lines are kept, because they often contain the reason of a failure.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._is_dropping = False
        self._lines = 0
        self._bytes = 0
        self._last = b""

    def feed(self, chunk: bytes, now: float) -> bytes:
        """The part of `chunk` that is passed on. No line is cut, because half a secret would not be recognised."""
        if self._is_dropping:
            return self._resume(chunk, now)
        if self._allowance.takes(len(chunk), now):
            return chunk
        head, newline, rest = chunk.partition(b"\n")
        if newline:
            self._is_dropping = True
            self._drop(rest)
        return head + newline

    def rest(self) -> bytes:
        """What is left to pass on after the last chunk."""
        if not self._is_dropping:
            return b""
        # Everything, or everything except a line whose beginning was dropped.
        last = self._last if self._bytes <= _LAST_BYTES else self._last.partition(b"\n")[2]
        self._lines -= last.count(b"\n")
        self._bytes -= len(last)
        return self._report_dropped() + last

    def _resume(self, chunk: bytes, now: float) -> bytes:
        head, newline, rest = chunk.partition(b"\n")
        # Lines are accepted again only after the end of a dropped line.
        if not (newline and self._allowance.takes(len(rest), now, room=_RESUMED_BYTES)):
            self._drop(chunk)
            return b""
        self._drop(head + newline)
        return self._report_dropped() + rest

    def _drop(self, text: bytes) -> None:
        self._lines += text.count(b"\n")
        self._bytes += len(text)
        self._last = (self._last + text[-_LAST_BYTES:])[-_LAST_BYTES:]

    def _report_dropped(self) -> bytes:
        lines, size = self._lines, self._bytes
        self._is_dropping = False
        self._lines = self._bytes = 0
        self._last = b""
        if not size:
            return b""
        takes = f"a log takes {BURST_BYTES >> 20} MiB at once and then {BYTES_A_SECOND >> 10} KiB a second"
        return f"[{lines} lines with {size} bytes were dropped here: {takes}]\n".encode()
