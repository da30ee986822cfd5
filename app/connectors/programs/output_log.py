"""Text that a program writes to its standard output between its messages, as log lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.domain.flood import Allowance, Bounded
from app.domain.lines import split_lines

if TYPE_CHECKING:
    from app.connectors.contract.passes import Log
    from app.domain.attempt_protocol import Level


class OutputLog:
    """Passes redacted lines on to `log`; of a flood only as many as a log takes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._bounded = Bounded(Allowance(time.monotonic()))

    def write(self, text: str, level: Level = "info") -> None:
        written = f"{text}\n".encode(errors="replace")
        taken = self._bounded.feed(written, time.monotonic())
        if taken == written:
            self._log(level, text)
        else:
            self._log_lines(taken, level)

    def end(self) -> None:
        """Ends the output for now: logs how much was left out, and the last lines."""
        self._log_lines(self._bounded.rest(), "info")

    def _log_lines(self, lines: bytes, level: Level) -> None:
        for line in split_lines(lines.decode(errors="replace")):
            self._log(level, line)
