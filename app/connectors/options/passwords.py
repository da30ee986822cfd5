"""Passwords from a program, which is asked when a connection needs one."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic_core import PydanticCustomError

from app.domain.errors import ConfigurationError, SynclineError
from app.domain.inherited_environment import attempt_environment
from app.domain.redaction import mask_secrets
from app.domain.text_or import TextOr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS: Final = 10.0
"""How long a program may take."""

# For connections that open at once.
_KEPT_SECONDS: Final = 5.0
_LARGEST_BYTES: Final = 1 << 16
_POLL_SECONDS: Final = 0.05


def split_command(command: Any) -> Any:
    """The words of `command`, a list or a line as a shell reads it; raises ValueError without quoting it."""
    if isinstance(command, str):
        try:
            words: list[Any] = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"not a command line: {str(error).lower()}; it may also be a list") from None
    elif isinstance(command, list | tuple):
        words = [*command]
    else:
        raise PydanticCustomError("string_or_list", "must be a string or a list")
    if not words or not words[0]:
        raise ValueError("must not be empty: write a program and its arguments")
    if any("\0" in word for word in words if isinstance(word, str)):
        raise ValueError("must not contain NUL characters")
    return tuple(words)


PasswordCommand = Annotated[tuple[str, ...], TextOr(split_command)]
"""A program with its arguments that prints a password. No shell runs it."""


def check_one_password(*, command: PasswordCommand | None, password: object, in_url: bool) -> None:
    """Raises ValueError if `password_command` stands beside another password."""
    if command is not None and password is not None:
        raise ValueError("'password' and 'password_command' cannot be combined: use one or the other")
    if command is not None and in_url:
        raise ValueError("'url' has a password, and cannot be combined with 'password_command': remove one of them")


class PasswordProgram:
    """Runs a `command` that prints a password; errors begin with `key`.

    What it printed is kept for some seconds. `learn` gets each new password, to mask it.
    """

    def __init__(self, command: Sequence[str], *, key: str, learn: Callable[[str], None]) -> None:
        self._command = list(command)
        self._key = key
        self._learn = learn
        self._lock = threading.Lock()
        self._password: str | None = None
        self._kept_until = 0.0
        self._learned: str | None = None
        self._refused: set[str | None] = set()

    def read(self) -> str:
        """The password. Blocks for as long as the program runs.

        Raises:
            ConfigurationError: the program cannot be started.
            SynclineError: it failed, took too long, or printed no password.
        """
        with self._lock:
            is_refused = self._password in self._refused
            if self._password is None or is_refused or time.monotonic() >= self._kept_until:
                self._password = None
                self._refused.clear()
                self._password = self._parse(self._run())
                self._kept_until = time.monotonic() + _KEPT_SECONDS
                if self._password != self._learned:
                    self._learn(self._password)
                    self._learned = self._password
            return self._password

    def forget(self, refused: str | None) -> None:
        """Ask the program the next time, because a server has `refused` this password."""
        # Without the lock, for which the event loop would wait as long as the program runs for another login.
        self._refused.add(refused)

    def _parse(self, output: bytes) -> str:
        try:
            password = output.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise self._failure("printed something that is not UTF-8") from None
        if not password:
            raise self._failure("printed nothing: it must print the password")
        if "\0" in password:
            raise self._failure("printed a NUL character, which no password can have")
        return password

    def _run(self) -> bytes:
        deadline = time.monotonic() + SECONDS
        with self._start() as process:
            try:
                output = self._output(process, deadline)
                code = process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise self._failure(f"took longer than {SECONDS:g} s") from None
            finally:
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        if code:
            ended = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            raise self._failure(f"{ended}: run it yourself to see why")
        return output

    def _start(self) -> subprocess.Popen[bytes]:
        # Only what connects waits for this import, and not what checks a catalogue.
        from app.lifeline import MARK_VARIABLE, end_with_parent  # noqa: PLC0415

        mark = {name: os.environ[name] for name in (MARK_VARIABLE,) if name in os.environ}
        try:
            return subprocess.Popen(  # noqa: S603 -- the user's own command
                self._command,
                env=attempt_environment(os.environ) | mark,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Not a session: a worker would take it for what an attempt has left behind, and kill it.
                process_group=0,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- two short calls that take no lock
            )
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise ConfigurationError(
                f"{self._key}: cannot start {self._name}: {why}; name a program in PATH, or its whole path"
            ) from None

    def _output(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        """Up to the end of the program, even if another process that it has started still has its output open."""
        if process.stdout is None:
            raise RuntimeError("the program was started without an output")
        descriptor, output, poll = process.stdout.fileno(), bytearray(), select.poll()
        poll.register(descriptor, select.POLLIN)
        while time.monotonic() < deadline:
            # Before looking at the pipe: it may write its last words and end right after that.
            ended = process.poll() is not None
            if poll.poll(_POLL_SECONDS * 1000):
                piece = os.read(descriptor, _LARGEST_BYTES)
                if not piece:
                    break
                output += piece
                if len(output) > _LARGEST_BYTES:
                    raise self._failure(f"printed more than {_LARGEST_BYTES // 1024} KiB")
            elif ended:
                break
        return bytes(output)

    def _failure(self, what: str) -> SynclineError:
        return SynclineError(f"{self._key}: {self._name} {what}")

    @property
    def _name(self) -> str:
        # Whoever takes it for a shell's line may begin it with NAME=value.
        return repr(mask_secrets(self._command[0]))
