"""The lines of programs, of which an attempt's log takes as much as of its other text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.domain.attempt_protocol import LogLine
from app.domain.flood import Bounded, is_report
from app.domain.lines import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.attempt_protocol import Level
    from app.domain.flood import Allowance


class BoundedLines:
    """Passes lines on. What counts is their text, not how it is sent.

    A line that tells how much a program's own flood has lost always passes, or nobody would know of that.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._bounded = Bounded(allowance)
        self._last = LogLine("info", "")

    def feed(self, line: LogLine) -> Iterator[LogLine]:
        self._last = line
        if is_report(line.message):
            yield line
            return
        written = f"{line.message}\n".encode(errors="replace")
        taken = self._bounded.feed(written, time.monotonic())
        if taken == written:
            yield line
        else:
            yield from self._lines(taken, line.level)

    def rest(self) -> Iterator[LogLine]:
        """What is left to pass on after the last line."""
        yield from self._lines(self._bounded.rest(), self._last.level)

    def _lines(self, text: bytes, level: Level) -> Iterator[LogLine]:
        for each in split_lines(text.decode(errors="replace")):
            yield LogLine("warn" if is_report(each) else level, each, self._last.system)
