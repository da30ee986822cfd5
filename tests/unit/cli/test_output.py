"""What a command does when nobody can take its output: a full disk, a closed pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

FULL = Path("/dev/full")
COMMANDS = pytest.mark.parametrize("command", [["openapi"], ["--help"], ["check"], ["token", "create", "--help"]])


def syncline(command: list[str], directory: Path, **streams: IO[Any]) -> subprocess.CompletedProcess[str]:
    catalogue = directory / "syncline.yaml"
    source = "{type: synthetic, destinations: d, collections: [a]}"
    catalogue.write_text(f"sources: {{s: {source}}}\ndestinations: {{d: {{type: none}}}}\n")
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *command],
        env=os.environ | {"SYNCLINE_CONFIG": str(catalogue)},
        stderr=streams.get("stderr", subprocess.PIPE),
        stdout=streams.get("stdout", subprocess.PIPE),
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@COMMANDS
def test_a_full_disk_is_one_line(command: list[str], tmp_path: Path) -> None:
    with FULL.open("w") as full:
        ended = syncline(command, tmp_path, stdout=full)
    assert (ended.returncode, ended.stderr) == (
        1,
        "syncline: cannot write the output: No space left on device\n",
    )


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_an_error_that_cannot_be_written_is_an_error_nevertheless(tmp_path: Path) -> None:
    with FULL.open("w") as full:
        ended = syncline(["no-such-command"], tmp_path, stderr=full)
    assert (ended.returncode, ended.stdout) == (1, "")


@COMMANDS
def test_a_closed_pipe_ends_a_command_in_silence(command: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ended = syncline(command, tmp_path, stdout=closed)
    assert (ended.returncode, ended.stderr) == (1, "")
