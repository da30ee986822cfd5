"""Programs of others: how they end, and what is heard of them."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.connectors.programs import program as programs
from app.connectors.programs.program import Program
from app.connectors.sources.singer.metrics import format_metric
from app.domain.errors import SynclineError
from tests.acceptance.cluster import wait_until
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from app.connectors.contract.passes import Log
    from app.domain.attempt_protocol import Level

CLOSES = """
import os, time
os.write(1, b"%d\\n{}\\n" % os.getpid())
os.close(1)
os.close(2)
time.sleep(600)
"""


def unheard(_level: Level, _message: str) -> None:
    """A log that nobody reads."""


def test_a_program_that_closes_its_output_and_goes_on_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_SECONDS_AFTER_CLOSING", 1)
    program = Program(
        [sys.executable, "-c", CLOSES], name="the tap", system="tap", home=tmp_path, secrets=[], log=unheard
    )
    lines = program.lines()
    pid = int(next(lines))
    assert next(lines) == b"{}"
    with pytest.raises(SynclineError, match="the tap closed its output after line 2 and did not end within 1 seconds"):
        next(lines)
    program.stop()
    assert not is_alive(pid)


def test_a_program_that_is_stopped_half_way_leaves_no_pipe_open(tmp_path: Path) -> None:
    before = open_pipes()
    command = ["sh", "-c", "echo 1; echo 2; exec sleep 600"]
    program = Program(command, name="it", system="tap", home=tmp_path, secrets=[], log=unheard)
    lines = program.lines()
    assert next(lines) == b"1"
    assert open_pipes() > before
    program.stop()
    del lines
    wait_until("all pipes are closed", lambda: open_pipes() <= before)


def open_pipes() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return {target for target in found if target.startswith("pipe:")}


class Heard:
    """A log that tells the lines of programs from others."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def __call__(self, level: Level, message: str) -> None:
        self.lines.append(("Syncline", level, message))

    def of_program(self, system: str, *, aside: bool = False) -> Log:
        assert aside, "a slow log must not hold up what reads the records"
        return lambda level, message: self.lines.append((system, level, message))


def test_what_a_program_says_is_made_readable_without_its_secrets(tmp_path: Path) -> None:
    heard = Heard()
    says = "import sys; print('the password is hunter22, or aHVudGVyMjI=', file=sys.stderr)"
    program = Program(
        [sys.executable, "-c", says],
        name="the tap",
        system="tap-shop",
        home=tmp_path,
        secrets=["hunter22"],
        log=heard,
        format_line=str.upper,
    )
    assert list(program.lines()) == []
    assert heard.lines == [("tap-shop", "debug", "THE PASSWORD IS ***, OR ***")]


# As singer-python writes it, and then a traceback.
LOGS = """
import logging, sys
logging.basicConfig(format="%(levelname)s %(message)s", level=logging.DEBUG)
logging.info('METRIC: {"type": "counter", "metric": "record_count", "value": 5, "tags": {}}')
logging.warning("slow")
print("and more", file=sys.stderr)
raise ValueError("no answer")
"""


def test_the_lines_of_a_program_have_the_levels_that_they_tell_in_their_order(tmp_path: Path) -> None:
    heard = Heard()
    program = Program(
        [sys.executable, "-c", LOGS],
        name="the tap",
        system="tap-shop",
        home=tmp_path,
        secrets=[],
        log=heard,
        format_line=format_metric,
    )
    with pytest.raises(SynclineError, match=r"^the tap ended with code 1: ValueError: no answer$"):
        list(program.lines())
    lines = [(level, line) for system, level, line in heard.lines if system == "tap-shop"]
    assert lines[:4] == [
        ("info", "record_count 5"),
        ("warn", "WARNING slow"),
        ("debug", "and more"),
        ("error", "Traceback (most recent call last):"),
    ]
    assert lines[-1] == ("error", "ValueError: no answer")
    assert {level for level, _ in lines[3:]} == {"error"}


def test_a_log_without_systems_hears_the_lines_as_well(tmp_path: Path) -> None:
    lines: list[tuple[Level, str]] = []

    def log(level: Level, message: str) -> None:
        lines.append((level, message))

    command = ["sh", "-c", "echo level=ERROR >&2"]
    program = Program(command, name="it", system="tap", home=tmp_path, secrets=[], log=log)
    assert program.output() == b""
    assert lines == [("error", "level=ERROR")]


def test_a_line_that_points_to_help_is_not_the_reason(tmp_path: Path) -> None:
    reason = "docker: Cannot connect to the Docker daemon. Is the docker daemon running?"
    script = f"import sys; sys.exit({reason!r} + '\\n\\nRun \\'docker run --help\\' for more information')"
    program = Program(
        [sys.executable, "-c", script],
        name="the connector",
        system="x",
        home=tmp_path / "home",
        secrets=[],
        log=unheard,
    )
    with pytest.raises(SynclineError) as refused:
        program.output()
    assert str(refused.value) == f"the connector ended with code 1: {reason}"
