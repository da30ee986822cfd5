"""What a program writes beside its messages, as log lines that have its name and the level that each tells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.connectors.contract.passes import ProgramsLog
from app.connectors.programs.levels import LevelReader
from app.domain.flood import Allowance, Bounded, is_report
from app.domain.lines import split_lines

if TYPE_CHECKING:
    from app.connectors.contract.passes import Log
    from app.domain.attempt_protocol import Level


def log_of(log: Log, system: str, *, aside: bool = False) -> Log:
    """Where lines of the program `system` are written, as `ProgramsLog` says; `log` itself if it does not care."""
    return log.of_program(system, aside=aside) if isinstance(log, ProgramsLog) else log


class OutputLog:
    """Passes redacted lines of the program `system` on to `log`; of a flood only as many as a log takes."""

    def __init__(self, log: Log, system: str) -> None:
        self._log = log_of(log, system)
        self._bounded = Bounded(Allowance(time.monotonic()))
        self._reader = LevelReader()

    def write(self, text: str, level: Level | None = None) -> None:
        """`level` is None if only the text tells one."""
        written = f"{text}\n".encode(errors="replace")
        taken = self._bounded.feed(written, time.monotonic())
        if taken == written:
            self._log(level or self._reader.level(text), text)
        else:
            self._log_lines(taken, level)

    def end(self) -> None:
        """Ends the output for now: logs how much was left out, and the last lines."""
        self._log_lines(self._bounded.rest(), None)

    def _log_lines(self, lines: bytes, level: Level | None) -> None:
        for line in split_lines(lines.decode(errors="replace")):
            told = None if is_report(line) else level
            self._log(told or self._reader.level(line), line)
