"""How much free text an attempt may say: enough for every honest log, and never so much that it fills a database."""

from __future__ import annotations

from typing import Final

BURST_BYTES: Final = 32 << 20
"""What is taken at once."""
BYTES_A_SECOND: Final = 16 << 10
"""What is taken in the long run."""

# After a flood text is taken again when there is room for so much of it: else every few lines would be a gap.
_RESUMED_BYTES: Final = 64 << 10
_LAST_BYTES: Final = 16 << 10


class Allowance:
    """A bucket of bytes that fills with time. Times are seconds of a clock that only goes forward."""

    def __init__(self, now: float) -> None:
        self._left = float(BURST_BYTES)
        self._at = now

    def takes(self, size: int, now: float, *, room: int = 0) -> bool:
        """Whether `size` bytes, and `room` for others after them, may come; the `size` is then used up."""
        self._left = min(BURST_BYTES, self._left + (now - self._at) * BYTES_A_SECOND)
        self._at = now
        if size + room > self._left:
            return False
        self._left -= size
        return True


class Bounded:
    """Text on its way to a log. Where the allowance ends, whole lines are left out, and a line says how many.

    Of what is left out at the end the last lines are kept: they mostly tell why.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._leaves_out = False
        self._lines = 0
        self._bytes = 0
        self._last = b""

    def feed(self, chunk: bytes, now: float) -> bytes:
        """What of `chunk` goes on. A line that has begun is never cut: half a secret would not be recognised."""
        if self._leaves_out:
            return self._resume_or_leave_out(chunk, now)
        if self._allowance.takes(len(chunk), now):
            return chunk
        head, newline, rest = chunk.partition(b"\n")
        if newline:
            self._leaves_out = True
            self._leave_out(rest)
        return head + newline

    def rest(self) -> bytes:
        """What is still to be said after the last chunk."""
        if not self._leaves_out:
            return b""
        # All of it, or all but a line whose beginning is gone.
        last = self._last if self._bytes <= _LAST_BYTES else self._last.partition(b"\n")[2]
        self._lines -= last.count(b"\n")
        self._bytes -= len(last)
        return self._say_what_is_missing() + last

    def _resume_or_leave_out(self, chunk: bytes, now: float) -> bytes:
        head, newline, rest = chunk.partition(b"\n")
        # Where the line that was left out last ends, another one may be taken.
        if not (newline and self._allowance.takes(len(rest), now, room=_RESUMED_BYTES)):
            self._leave_out(chunk)
            return b""
        self._leave_out(head + newline)
        return self._say_what_is_missing() + rest

    def _leave_out(self, text: bytes) -> None:
        self._lines += text.count(b"\n")
        self._bytes += len(text)
        self._last = (self._last + text[-_LAST_BYTES:])[-_LAST_BYTES:]

    def _say_what_is_missing(self) -> bytes:
        lines, size = self._lines, self._bytes
        self._leaves_out = False
        self._lines = self._bytes = 0
        self._last = b""
        if not size:
            return b""
        takes = f"a log takes {BURST_BYTES >> 20} MB at once and then {BYTES_A_SECOND >> 10} KB a second"
        return f"[{lines} lines with {size} bytes were dropped here: {takes}]\n".encode()
