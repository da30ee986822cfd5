"""What all commands have in common: which files they make, and what they print."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from app.cli.running import align, json_text

if TYPE_CHECKING:
    from pathlib import Path

UNGUARDED: Final = """
import os, sys
from pathlib import Path
from app.bootstrap.data_dir import prepare_data_dir
from app.cli.running import start
start()
data = Path(sys.argv[1], "data")
prepare_data_dir(data)
data.joinpath("file").touch()
print(*(oct(path.stat().st_mode & 0o777) for path in (data, data / "file")))
"""


def test_no_file_can_be_written_by_every_user_whatever_the_umask(tmp_path: Path) -> None:
    for umask, modes in ((0, "0o700 0o664"), (0o077, "0o700 0o600")):
        command = [sys.executable, "-c", UNGUARDED, str(tmp_path / str(umask))]
        tmp_path.joinpath(str(umask)).mkdir()
        finished = subprocess.run(command, umask=umask, capture_output=True, text=True, check=True)
        assert finished.stdout.split() == modes.split()


def test_json_for_people_holds_no_commands_for_a_terminal() -> None:
    assert json_text({"name": "Größe 数量"}) == '{\n  "name": "Größe 数量"\n}'
    assert json_text({"name": "\x9b2J\u202e"}) == '{\n  "name": "\\u009b2J\\u202e"\n}'
    assert align([("NAME", "X"), ("a\x1b[2J", "b")]) == ["NAME      X", r"a\x1b[2J  b"]
