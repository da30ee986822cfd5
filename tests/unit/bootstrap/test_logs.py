"""What a process learns to be a secret is masked in its own lines."""

from __future__ import annotations

import json
import subprocess
import sys

LOGGING = """
import structlog, logging
from app.bootstrap.logs import configure_logs, mask_in_logs
from app.config.settings import Settings
configure_logs(Settings(log_format="json"))
log = structlog.get_logger()
log.info("before hunter22")
mask_in_logs("hunter22")
log.info("after hunter22", error="x hunter22 y", number=1)
logging.getLogger("library").warning("hunter22")
try:
    raise ValueError("hunter22")
except ValueError:
    log.exception("failed")
"""


def test_a_secret_is_masked_in_all_lines_from_now_on() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True, env={})
    first, *later = [json.loads(line) for line in done.stderr.splitlines()]
    assert first["event"] == "before hunter22"
    assert (later[0]["event"], later[0]["error"], later[0]["number"]) == ("after ***", "x *** y", 1)
    assert later[1]["event"] == "***"
    assert "ValueError: ***" in later[2]["exception"]
    assert "hunter22" not in str(later)


LEARNING = """
import structlog
from app.bootstrap.logs import configure_logs, mask_in_logs
from app.config.settings import Settings
from app.domain import redaction
made = []
class Counted(redaction.Redactor):
    def __init__(self, secrets):
        made.append(secrets)
        super().__init__(secrets)
redaction.Redactor = Counted
from app.domain import learned_secrets
learned_secrets.Redactor = Counted
configure_logs(Settings(log_format="json"))
log = structlog.get_logger()
for number in range(30):
    mask_in_logs(f"token-{number:02}")
    log.info(f"old token-{number - 7:02}, new token-{number:02}")
print(sorted(made) == [[f"token-{number:02}"] for number in range(30)])
"""


def test_each_of_many_tokens_costs_as_much_as_the_first() -> None:
    done = subprocess.run([sys.executable, "-c", LEARNING], capture_output=True, text=True, check=True, env={})
    lines = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert lines[7:] == ["old ***, new ***"] * 23
    assert done.stdout == "True\n"
