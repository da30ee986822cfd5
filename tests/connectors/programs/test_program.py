"""Programs of others: how they end, and what is heard of them."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from app.connectors.programs import program as programs
from app.connectors.programs.program import Program
from app.domain.errors import SynclineError
from tests.acceptance.cluster import wait_until
from tests.integration.execution.children import is_alive

CLOSES = """
import os, time
os.write(1, b"%d\\n{}\\n" % os.getpid())
os.close(1)
os.close(2)
time.sleep(600)
"""


def test_a_program_that_closes_its_output_and_goes_on_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_SECONDS_AFTER_CLOSING", 1)
    program = Program([sys.executable, "-c", CLOSES], name="the tap", home=tmp_path, secrets=[])
    lines = program.lines()
    pid = int(next(lines))
    assert next(lines) == b"{}"
    with pytest.raises(SynclineError, match="the tap closed its output after line 2 and did not end within 1 seconds"):
        next(lines)
    program.stop()
    assert not is_alive(pid)


def test_a_program_that_is_stopped_half_way_leaves_no_pipe_open(tmp_path: Path) -> None:
    before = open_pipes()
    program = Program(["sh", "-c", "echo 1; echo 2; exec sleep 600"], name="it", home=tmp_path, secrets=[])
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


def test_what_a_program_says_is_made_readable_without_its_secrets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    says = "import sys; print('the password is hunter22, or aHVudGVyMjI=', file=sys.stderr)"
    program = Program(
        [sys.executable, "-c", says], name="the tap", home=tmp_path, secrets=["hunter22"], format_line=str.upper
    )
    assert list(program.lines()) == []
    assert capfd.readouterr().err == "THE PASSWORD IS ***, OR ***\n"


def test_a_line_that_points_to_help_is_not_the_reason(tmp_path: Path) -> None:
    reason = "docker: Cannot connect to the Docker daemon. Is the docker daemon running?"
    script = f"import sys; sys.exit({reason!r} + '\\n\\nRun \\'docker run --help\\' for more information')"
    program = Program([sys.executable, "-c", script], name="the connector", home=tmp_path / "home", secrets=[])
    with pytest.raises(SynclineError) as refused:
        program.output()
    assert str(refused.value) == f"the connector ended with code 1: {reason}"
