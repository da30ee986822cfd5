"""A tap as a process: a small environment, its own files, and an ending that says why."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from app.domain.errors import ConfigurationError, SynclineError
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# A tap gets what it needs to find programs, speak a language and reach the network; no secret of Syncline's own.
_PASSED_ON = {
    *("PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}
_ERROR = re.compile(r"\w(Error|Exception)\b|\b(ERROR|CRITICAL|FATAL)\b")
_GRACE_SECONDS = 2
_HINT_CHARACTERS = 300
_BUFFER_BYTES = 1 << 20


class Tap:
    """`command` with its configuration; `secrets` are masked in everything that it says."""

    def __init__(self, command: list[str], *, home: Path, secrets: Iterable[str]) -> None:
        self._command = command
        self._environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
        self._environment |= {"HOME": str(home)}
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._running: subprocess.Popen[bytes] | None = None
        self._last_words = ""
        self._heard_error = False

    def lines(self, *arguments: str) -> Iterator[bytes]:
        """Runs the tap with `arguments` and yields the lines of its standard output.

        Raises:
            ConfigurationError: the command cannot be started.
            SynclineError: it ended with another code than 0.
        """
        running = self._start([*self._command, *arguments])
        ear = threading.Thread(target=self._listen, args=[running.stderr or ()], daemon=True)
        ear.start()
        yield from running.stdout or ()
        code = running.wait()
        ear.join(_GRACE_SECONDS)
        self._running = None
        if code:
            ending = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
            raise SynclineError(f"the tap {ending}" + (f": {self._last_words}" if self._last_words else ""))

    def stop(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.terminate()
        try:
            running.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    def masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        try:
            self._running = subprocess.Popen(  # noqa: S603 -- the user's own command
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=_BUFFER_BYTES,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- two system calls, loaded before the fork
            )
        except OSError as error:
            raise ConfigurationError(f"'command': cannot start {command[0]}: {error.strerror}") from None
        return self._running

    def _listen(self, errors: Iterable[bytes]) -> None:
        for line in errors:
            text = self.masked(line.decode(errors="replace"))
            sys.stderr.write(text)
            sys.stderr.flush()
            self._remember(" ".join(text.split())[:_HINT_CHARACTERS])

    def _remember(self, words: str) -> None:
        """The last line that names an error says most; frameworks add footnotes to it."""
        names_error = bool(_ERROR.search(words))
        if words and (names_error or not self._heard_error):
            self._last_words = words
            self._heard_error = names_error
