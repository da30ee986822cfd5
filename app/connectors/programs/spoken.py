"""What a program says beside its messages on its standard output, as log lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.domain.flood import Allowance, Bounded

if TYPE_CHECKING:
    from app.connectors.contract.passes import Log
    from app.domain.attempt_protocol import Level


class Spoken:
    """Passes texts, which hold no secret any more, on to `log`: of a flood as many as a log takes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._bounded = Bounded(Allowance(time.monotonic()))

    def say(self, text: str, level: Level = "info") -> None:
        given = f"{text}\n".encode(errors="replace")
        taken = self._bounded.feed(given, time.monotonic())
        if taken == given:
            self._log(level, text)
        else:
            self._tell(taken, level)

    def end(self) -> None:
        """Nothing more comes for now: how much was left out, and the last of it."""
        self._tell(self._bounded.rest(), "info")

    def _tell(self, lines: bytes, level: Level) -> None:
        for line in lines.decode(errors="replace").splitlines():
            self._log(level, line)
