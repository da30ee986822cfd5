"""A machine that has nothing but the command, the address of an API and a token; and a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tests.acceptance.cluster import TOKEN
from tests.interruptible import INTERRUPTIBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = "http://127.0.0.1:9"
"""An address at which nobody answers."""


class Laptop:
    """A machine that has nothing but the address of the API and a token."""

    def __init__(self, address: str, token: str = TOKEN) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "SYNCLINE_URL": address,
            "SYNCLINE_TOKEN": token,
        }

    def call(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """A command with a terminal of 80 columns."""
        ours, theirs = pty.openpty()
        with closing(os.fdopen(ours, "rb", buffering=0)) as screen:
            process = subprocess.Popen(
                [sys.executable, "-c", INTERRUPTIBLE, *arguments],
                env=self.environment | {"COLUMNS": "80", "TERM": "xterm"},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            os.close(theirs)
            try:
                yield Terminal(process, screen.read)
            finally:
                process.kill()
                process.wait()


class Terminal:
    """What a command shows on a terminal, and its process."""

    def __init__(self, process: subprocess.Popen[bytes], read: Callable[[int], bytes]) -> None:
        self.process = process
        self._read = read
        self.shown = ""

    def wait_for(self, text: str) -> None:
        while text not in self.shown:
            more = self._more()
            assert more, f"{text!r} does not come after {self.shown!r}"

    def wait(self) -> int:
        """Its exit code; everything is shown then."""
        while self._more():
            pass
        return self.process.wait(timeout=60)

    def _more(self) -> str:
        try:
            more = self._read(65_536).decode()
        except OSError:  # Linux has no other end of a terminal
            more = ""
        self.shown += more
        return more
