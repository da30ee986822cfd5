"""A program of others as a process: a small environment, its own files, and an ending that says why."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING

from app.connectors.programs.pipe import chunks, lines
from app.domain.errors import ConfigurationError, SynclineError
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# It gets what it needs to find programs, speak a language and reach the network; no secret of Syncline's own.
_PASSED_ON = {
    *("PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}
_ERROR = re.compile(r"\w(Error|Exception)\b|\b(ERROR|CRITICAL|FATAL)\b")
_GRACE_SECONDS = 2
_HINT_CHARACTERS = 300
_SHOWN_CHARACTERS = 16 << 10
_LONGEST_OUTPUT_MEGABYTES = 256


class Program:
    """`command` with its configuration; `secrets` are masked in everything that it says.

    `name` is what complaints call it, `environment` what it gets beside what every program does.
    """

    def __init__(
        self,
        command: list[str],
        *,
        name: str,
        home: Path,
        secrets: Iterable[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._name = name
        self._environment = {key: value for key, value in os.environ.items() if key in _PASSED_ON}
        self._environment |= {"HOME": str(home)} | dict(environment or {})
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._running: subprocess.Popen[bytes] | None = None
        self._last_words = ""
        self._heard_error = False

    def lines(self, *arguments: str) -> Iterator[bytes]:
        """Runs the program with `arguments` and yields the lines of its standard output, without their ends.

        Text is cut, messages are whole. Its own end is the end, even if children that it left hold its output.

        Raises:
            ConfigurationError: the command cannot be started, or a message is too long.
            SynclineError: it ended with another code than 0.
        """
        return lines(self._output(*arguments), messages=True, program=self._name)

    def output(self, *arguments: str) -> bytes:
        """All of its standard output, which may have 256 MB; raises as `lines` does."""
        output = bytearray()
        for chunk in self._output(*arguments):
            output += chunk
            if len(output) > _LONGEST_OUTPUT_MEGABYTES << 20:
                raise ConfigurationError(
                    f"{self._name}'s {arguments[-1]} wrote more than {_LONGEST_OUTPUT_MEGABYTES} MB"
                )
        return bytes(output)

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

    def text(self, line: bytes) -> str:
        """A line of free text as it may be shown: without secrets, in at most 16 Ki characters."""
        text = line.decode(errors="replace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        # Only now: half a secret could not be found any more.
        return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"

    def _output(self, *arguments: str) -> Iterator[bytes]:
        running = self._start([*self._command, *arguments])
        if running.stdout is None or running.stderr is None:
            raise RuntimeError(f"{self._name} was started without pipes")
        with running.stdout as output:
            ear = threading.Thread(target=self._listen, args=[running, running.stderr], daemon=True)
            ear.start()
            yield from chunks(output.fileno(), has_ended=lambda: running.poll() is not None)
        code = running.wait()
        ear.join(_GRACE_SECONDS)
        self._running = None
        if code:
            ending = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
            raise SynclineError(f"{self._name} {ending}" + (f": {self._last_words}" if self._last_words else ""))

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        try:
            self._running = subprocess.Popen(  # noqa: S603 -- the user's own command
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- two system calls, loaded before the fork
            )
        except OSError as error:
            raise ConfigurationError(f"'command': cannot start {command[0]}: {error.strerror}") from None
        return self._running

    def _listen(self, running: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        with errors:
            said = chunks(errors.fileno(), has_ended=lambda: running.poll() is not None)
            for line in lines(said, messages=False):
                text = self.text(line)
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()
                self.remember(text)

    def remember(self, text: str, *, names_error: bool = False) -> None:
        """Keeps the last words for a complaint. The last that name an error say most; frameworks add footnotes."""
        words = " ".join(text.split())[:_HINT_CHARACTERS]
        names_error = names_error or bool(_ERROR.search(words))
        if words and (names_error or not self._heard_error):
            self._last_words = words
            self._heard_error = names_error

    def mask(self, secrets: Iterable[str]) -> None:
        """From now on `secrets` are masked as well."""
        self._secrets = sorted({*self._secrets, *secrets}, key=len, reverse=True)
