"""Text of a program as lines of the task's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.programs.output_log import OutputLog
from app.domain.flood import BURST_BYTES

if TYPE_CHECKING:
    from app.domain.attempt_protocol import Level


def test_a_line_of_a_flood_stays_one_line_whatever_characters_it_has() -> None:
    lines: list[str] = []

    def log(_level: Level, message: str) -> None:
        lines.append(message)

    output = OutputLog(log)
    line = "before\u2028after\x0cthe\x85end"
    output.write("x" * (BURST_BYTES - 1))
    output.write("the last line that the log takes" * 1000)
    output.write(line)
    output.end()
    assert lines[2:] == [line]
