"""A third-party program as a process: a small environment, its own files, and an error that says why it failed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from app.connectors.programs.levels import LevelReader
from app.connectors.programs.output_log import log_of
from app.connectors.programs.pipe import Lines, chunks, deepen
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.flood import Allowance, Bounded
from app.domain.inherited_environment import program_environment
from app.domain.redaction import Redactor
from app.domain.shortening import shortened
from app.lifeline import MARK_VARIABLE, end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from app.connectors.contract.passes import Log

_ERROR = re.compile(r"\w(Error|Exception)\b|\b(ERROR|CRITICAL|FATAL)\b")
# Docker and many other programs end their errors with such a line, which says nothing of the reason.
_POINTS_TO_HELP = re.compile(r"(See|Run|Try) .*--help\b.*", re.IGNORECASE)
_GRACE_SECONDS = 2
# A program that has closed its output has sent everything; some still clean up.
_SECONDS_AFTER_CLOSING = 10
_HINT_CHARACTERS = 300
_SHOWN_CHARACTERS = 16 << 10
_LONGEST_OUTPUT_MEGABYTES = 32


class Input:
    """A program's standard input: a pipe, whose other end the program gets."""

    def __init__(self) -> None:
        self.receiving, sending = os.pipe()
        self._file = os.fdopen(sending, "wb", buffering=0)

    def send(self, text: bytes) -> None:
        """Waits while the program does not read; raises `BrokenPipeError` if it never will."""
        left = memoryview(text)
        while left:
            left = left[self._file.write(left) or 0 :]

    def close(self) -> None:
        """Ends the input."""
        self._file.close()

    def close_receiving_end(self) -> None:
        """Called when the program has it."""
        os.close(self.receiving)


class Program:
    """Runs `command`; `secrets` are masked in all of its output.

    Errors call it `name`. The lines of its standard error go to `log`, as those of the program `system`. `home` is its
    directory, which is created; `environment` is added to what every program gets; `format_line` makes a line of its
    standard error readable, `before_errors` is called before some are passed on.
    """

    def __init__(
        self,
        command: list[str],
        *,
        name: str,
        system: str,
        home: Path,
        secrets: Iterable[str],
        log: Log,
        environment: Mapping[str, str] | None = None,
        format_line: Callable[[str], str] = str,
        before_errors: Callable[[], None] = lambda: None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.command = command
        self.system = system
        self._name = name
        self._log = log_of(log, system, aside=True)
        mark = {MARK_VARIABLE: os.environ[MARK_VARIABLE]} if MARK_VARIABLE in os.environ else {}
        self._environment = program_environment(os.environ) | mark | {"HOME": str(home)} | dict(environment or {})
        self._secrets = set(secrets)
        self._redact = Redactor(self._secrets).redact
        self._format_line = format_line
        self._before_errors = before_errors
        self._read: Generator[bytes] | None = None
        self._lines: Lines | None = None
        self._input: Input | None = None
        self._running: subprocess.Popen[bytes] | None = None
        self._last_words = ""
        self._heard_error = False

    def open_input(self) -> Input:
        """The standard input of the next run; other runs have none."""
        self._input = Input()
        return self._input

    def lines(self, *arguments: str) -> Iterator[bytes]:
        """Runs the program with `arguments` and yields the lines of its standard output, without line breaks.

        Long text is truncated, messages are whole. The output ends with the program, even if its children still hold
        the pipe.

        Raises:
            ConfigurationError: the command cannot be started, or a message is too long.
            SynclineError: its exit code is not 0, or it did not end after closing its output.
        """
        self._read = self._output(*arguments)
        self._lines = Lines(self._read, messages=True, text=f"{self._name}'s output")
        return iter(self._lines)

    def output(self, *arguments: str) -> bytes:
        """All of its standard output, at most 32 MiB; raises as `lines` does."""
        output = bytearray()
        for chunk in self._output(*arguments):
            output += chunk
            if len(output) > _LONGEST_OUTPUT_MEGABYTES << 20:
                raise ConfigurationError(
                    f"{self._name} wrote more than {_LONGEST_OUTPUT_MEGABYTES} MiB for {arguments[-1]!r}"
                )
        return bytes(output)

    def stop(self) -> None:
        running, self._running = self._running, None
        read, self._read, self._lines = self._read, None, None
        if running is not None:
            running.terminate()
            try:
                running.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        if read is not None:
            # If it is not read to its end, an error that is kept would keep its pipe open as well.
            with suppress(ValueError):  # another thread is reading it
                read.close()

    def text(self, line: bytes) -> str:
        """A line of free text for logs: without secrets, at most 16 Ki characters."""
        return shortened(self._redact(line.decode(errors="replace")), _SHOWN_CHARACTERS)

    def _output(self, *arguments: str) -> Generator[bytes]:
        running = self._start([*self.command, *arguments])
        if running.stdout is None or running.stderr is None:
            raise RuntimeError(f"{self._name} was started without pipes")
        with running.stdout as output:
            deepen(output.fileno())
            reader = threading.Thread(target=self._read_errors, args=[running, running.stderr], daemon=True)
            reader.start()
            yield from chunks(output.fileno(), has_ended=lambda: running.poll() is not None)
        try:
            code = running.wait(_SECONDS_AFTER_CLOSING)
        except subprocess.TimeoutExpired:
            position = self._output_position().removesuffix(" of its output")
            waited = f"did not end within {_SECONDS_AFTER_CLOSING} seconds"
            raise SynclineError(f"{self._name} closed its output{position} and {waited}") from None
        reader.join(_GRACE_SECONDS)
        self._running = None
        if code:
            ending = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
            hint = f": {self._last_words}" if self._last_words else ""
            raise SynclineError(f"{self._name} {ending}{self._output_position()}{hint}")

    def _output_position(self) -> str:
        """How far its output was read."""
        lines = self._lines
        if lines is not None and lines.within:
            return f" within line {lines.number + 1} of its output"
        return f" after line {lines.number} of its output" if lines is not None and lines.number else ""

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        try:
            self._running = subprocess.Popen(  # noqa: S603 -- the user's own command
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL if self._input is None else self._input.receiving,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- two system calls, loaded before the fork
            )
        except OSError as error:
            raise ConfigurationError(f"'command': cannot start {command[0]!r}: {error.strerror}") from None
        finally:
            if self._input is not None:
                self._input.close_receiving_end()
                self._input = None
        return self._running

    def _read_errors(self, running: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        reader = LevelReader()
        with errors:
            for line in Lines(self._limit_flood(running, errors), messages=False):
                written = self.text(line)
                text = self._format_line(written)
                self._log(reader.level(written), text)
                self.remember(text)

    def _limit_flood(self, running: subprocess.Popen[bytes], errors: IO[bytes]) -> Iterator[bytes]:
        """At most as much as a log takes: passing a flood on would slow down the reading of records."""
        bounded = Bounded(Allowance(time.monotonic()))
        for chunk in chunks(errors.fileno(), has_ended=lambda: running.poll() is not None):
            self._before_errors()
            yield bounded.feed(chunk, time.monotonic())
        yield bounded.rest()

    def remember(self, text: str, *, names_error: bool = False) -> None:
        """Keeps the last line for an error message, preferably one that names an error: frameworks add footnotes."""
        words = " ".join(text.split())[:_HINT_CHARACTERS]
        names_error = names_error or bool(_ERROR.search(words))
        if words and not _POINTS_TO_HELP.fullmatch(words) and (names_error or not self._heard_error):
            self._last_words = words
            self._heard_error = names_error

    @property
    def secrets(self) -> frozenset[str]:
        """What is masked at present."""
        return frozenset(self._secrets)

    def mask(self, secrets: Iterable[str]) -> None:
        """Masks `secrets` as well from now on."""
        self._secrets |= set(secrets)
        self._redact = Redactor(self._secrets).redact
