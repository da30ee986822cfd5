"""Runs an installer; if it fails, the end of its output says why."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import deque
from typing import TYPE_CHECKING, Final

from app.connectors.programs.levels import LevelReader
from app.connectors.programs.output_log import log_of
from app.domain.errors import SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from app.connectors.contract.passes import Log

_LAST_LINES: Final = 12
_LONGEST_END: Final = 1500
_LOGIN: Final = re.compile(r"(?<=://)[^/\s@]+@")


def run_installer(command: list[str], failure: str, *, name: str, log: Log) -> None:
    """Runs `command` and passes its output on to `log` as lines of the program `name`, without secrets.

    Raises:
        SynclineError: it failed; `failure`, its exit code and the end of its output.
    """
    redact = Redactor(secrets_in(dict(os.environ))).redact
    last: deque[str] = deque(maxlen=_LAST_LINES)
    tell, reader = log_of(log, name, aside=True), LevelReader()
    # All that an attempt has: where packages come from, and the credentials for it.
    with subprocess.Popen(  # noqa: S603 -- an installer
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ,
        text=True,
        errors="replace",
        # A build must end with its parent, in whose main thread this is.
        preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- two system calls, loaded before the fork
    ) as running:
        for line in running.stdout or ():
            shown = without_logins(redact(line))
            tell(reader.level(shown), shown.rstrip("\n"))
            last.append(shown)
    if code := running.returncode:
        raise SynclineError(f"{failure}: the command ended with code {code}{_describe_end(last)}")


def without_logins(text: str) -> str:
    """`text` with `***` for the login of each URL: a token may stand in the place of a user's name."""
    return _LOGIN.sub("***@", text)


def _describe_end(last: deque[str]) -> str:
    words = " ".join(" ".join(last).split())
    shown = words if len(words) <= _LONGEST_END else f"…{words[-_LONGEST_END:]}"
    return f"; the end of its output: {shown}" if shown else ""
