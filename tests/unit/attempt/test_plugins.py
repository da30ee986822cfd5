"""Plugins of Pydantic, which other packages in the environment may bring, have no part in an attempt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from app.domain.attempt_protocol import EVENTS_FD_VARIABLE
from tests.connectors.attempts import complete

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = {
    "mode": "check",
    "source": "source",
    "source_type": "synthetic",
    "source_config": {},
    "collection": {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"},
}


def test_an_attempt_loads_no_plugin_of_pydantic(tmp_path: Path) -> None:
    installed = tmp_path / "plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[pydantic]\nplugin = plugin:new_schema_validator\n")
    (tmp_path / "plugin.py").write_text("raise SystemExit('loaded')")
    receiving, sending = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "app.attempt"],
        input=json.dumps(complete(QUESTION | {"data_dir": str(tmp_path / "data")})),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), EVENTS_FD_VARIABLE: str(sending)},
        pass_fds=[sending],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(sending)
    with os.fdopen(receiving) as told:
        ending = told.read()
    assert (done.returncode, done.stderr) == (0, ""), ending
    assert ending
