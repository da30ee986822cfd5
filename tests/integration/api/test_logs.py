"""The form of what a process writes to its log, its libraries' lines among it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime

import pytest

PROGRAM = """
import logging, structlog
from app.bootstrap.logs import configure_logs
from app.config.settings import Settings

configure_logs(Settings())
structlog.get_logger().info("ours")
library = logging.getLogger("uvicorn.error")
library.info("too little to tell")
library.warning("Invalid %s request received.", "HTTP")
def fail():
    password = "not for" + " the log"
    raise ValueError("wrong")
try:
    fail()
except ValueError:
    library.exception("failed")
"""


def logged(form: str) -> str:
    """What the program writes to standard error, which must be all that it writes."""
    environment = {**os.environ, "SYNCLINE_LOG_FORMAT": form}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == ""
    return ended.stderr


def test_lines_of_libraries_are_json_as_ours_are() -> None:
    ours, warning, failure = map(json.loads, logged("json").splitlines())
    assert (ours["event"], ours["level"]) == ("ours", "info")
    assert datetime.fromisoformat(warning.pop("timestamp")).tzinfo is not None
    assert warning == {"event": "Invalid HTTP request received.", "level": "warning", "logger": "uvicorn.error"}
    assert (failure["event"], failure["level"]) == ("failed", "error")
    assert failure["exception"].endswith("ValueError: wrong")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_librarys_traceback_shows_no_local_variables(form: str) -> None:
    text = logged(form)
    assert "ValueError: wrong" in text
    assert text.count("Traceback") == 1
    assert "not for the log" not in text
