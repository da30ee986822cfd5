"""Text of a program as lines of the task's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.programs.output_log import OutputLog
from app.domain.flood import BURST_BYTES

if TYPE_CHECKING:
    from app.connectors.contract.passes import Log
    from app.domain.attempt_protocol import Level


def test_a_line_of_a_flood_stays_one_line_whatever_characters_it_has() -> None:
    lines: list[str] = []

    def log(_level: Level, message: str) -> None:
        lines.append(message)

    output = OutputLog(log, "tap")
    line = "before\u2028after\x0cthe\x85end"
    output.write("x" * (BURST_BYTES - 1))
    output.write("the last line that the log takes" * 1000)
    output.write(line)
    output.end()
    assert lines[2:] == [line]


class Heard:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def __call__(self, level: Level, message: str) -> None:
        self.lines.append(("Syncline", level, message))

    def of_program(self, system: str, *, aside: bool = False) -> Log:
        assert not aside, "its lines are read by what reads the records"
        return lambda level, message: self.lines.append((system, level, message))


def test_a_line_has_the_name_of_its_program_and_the_level_that_it_tells() -> None:
    heard = Heard()
    output = OutputLog(heard, "tap-shop")
    output.write("WARNING slow")
    output.write("10 rows")
    output.write("ERROR is what the message says", "info")
    assert heard.lines == [
        ("tap-shop", "warn", "WARNING slow"),
        ("tap-shop", "debug", "10 rows"),
        ("tap-shop", "info", "ERROR is what the message says"),
    ]


def test_what_was_dropped_of_a_flood_is_a_warning_and_the_lines_after_it_keep_their_levels() -> None:
    heard = Heard()
    output = OutputLog(heard, "tap-shop")
    output.write("x" * (BURST_BYTES - 1))
    for _ in range(4):
        output.write("y" * 10_000, "info")
    output.write("WARNING the last")
    output.end()
    assert [(level, line[:8]) for _, level, line in heard.lines] == [
        ("debug", "xxxxxxxx"),
        ("info", "yyyyyyyy"),
        ("warn", "[2 lines"),
        ("debug", "yyyyyyyy"),
        ("warn", "WARNING "),
    ]
