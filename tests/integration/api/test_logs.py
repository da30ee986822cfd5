"""The form of what a process writes to its log, its libraries' lines among it."""

from __future__ import annotations

import json
import os
import re
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


# What a caller or a tap may send: a title, a cleared screen, C1's own form of it, a turned direction, and a faked line.
COMMANDS = "a\x1b]0;pwned\x07b\x1b[2J\x9b1m\u202ec\rd\n2026-01-01 [info] all is well"

HOSTILE = f"""
import logging, structlog
from app.bootstrap.logs import configure_logs
from app.config.settings import Settings

configure_logs(Settings())
commands = {COMMANDS!r}
structlog.get_logger().info("request", path=commands, task="load_long_1", deep=[commands], key={{commands: 1}})
structlog.get_logger().info(commands)
logging.getLogger("uvicorn.error").warning("odd request %s", commands)
try:
    raise ValueError(commands)
except ValueError:
    logging.getLogger("uvicorn.error").exception("failed")
    structlog.get_logger().exception("failed")
"""


def logged(form: str, program: str = PROGRAM) -> str:
    """What the program writes to standard error, which must be all that it writes."""
    environment = {**os.environ, "SYNCLINE_LOG_FORMAT": form}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
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


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_caller_commands_the_terminal_of_who_reads_the_log(form: str) -> None:
    text = logged(form, HOSTILE)
    # structlog's own colours.
    shown = re.sub(r"\x1b\[\d+m", "", text)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "pwned" in shown


def test_values_are_quoted_on_a_console() -> None:
    shown = re.sub(r"\x1b\[\d+m", "", logged("console", HOSTILE))
    assert "task='load_long_1'" in shown
    assert len([line for line in shown.splitlines() if line.startswith("2026-01-01")]) == 2, "in the two tracebacks"
    assert r"path='a\x1b]0;pwned\x07b\x1b[2J\x9b1m\u202ec\rd\n2026-01-01 [info] all is well'" in shown
