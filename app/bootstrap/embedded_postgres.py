"""An embedded PostgreSQL server in a directory, which ends with the process that has started it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from app.bootstrap.postgres_cluster import LOOPBACK, ROLE, START_SECONDS, Cluster, PortTakenError, end_server
from app.bootstrap.postgres_programs import INSTEAD, NOBODY, PostgresPrograms, choose_programs, find_wheel
from app.domain.errors import ConfigurationError, DatabaseUnreachableError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

_READY = "ready.json"
_POLL_SECONDS = 0.01
_PORT_CHOICES = 5
_SOCKET_PATH_BYTES = 100  # Linux takes 107, macOS 103


@dataclass(frozen=True, kw_only=True)
class TcpAddress:
    """The server's TCP address, for clients that cannot use a Unix socket."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Address:
    socket_directory: str
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{ROLE}?host={quote(self.socket_directory)}&port={self.port}"

    def is_served(self) -> bool:
        """Whether a server listens there; a killed owner leaves its address until the next one starts."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(f"{self.socket_directory}/.s.PGSQL.{self.port}") == 0


class EmbeddedPostgres:
    """The server of one home directory. The first process that starts it owns it, others attach to it.

    The home contains `data` (the cluster), `password` and `port` (of the TCP listener), `postgres.log`, `owner.lock`
    (locked while the owner lives) and `ready.json` (the address of the running server). Only its user may enter it,
    because the Unix socket trusts everyone who can reach it. The server ends with its owner, on Linux even if that is
    killed with SIGKILL; elsewhere the next owner ends it. If an attached process stops, the server keeps running.
    `durable=False` is faster and not safe against a crash of the machine; for tests.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self._home = Path(home).absolute()
        self._durable = durable
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._address: _Address | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL of the database `app` over the Unix socket, as superuser."""
        return self._running().url

    @property
    def is_owned(self) -> bool:
        """Whether this process has started the server, which then ends with it."""
        return self._server is not None

    @property
    def log(self) -> Path:
        return self._home / "postgres.log"

    def has_ended(self) -> bool:
        """Whether the server that this process has started runs no more, though nobody has stopped it."""
        return self._server is not None and self._server.poll() is not None

    @property
    def tcp(self) -> TcpAddress:
        """The address on the loopback interface, where the same role needs a password."""
        password = (self._home / "password").read_text()
        return TcpAddress(host=LOOPBACK, port=self._running().port, user=ROLE, password=password)

    def start(self) -> None:
        """Start the server, or attach to it, and wait until it accepts connections. Call it from the main thread.

        Raises:
            ConfigurationError: an embedded server cannot run on this machine, as this user or in this directory.
            DatabaseUnreachableError: the server does not start; with the last lines of its log.
        """
        directory = find_wheel()
        _make_private(self._home)
        programs, major = choose_programs(directory, owner=self._home.stat().st_uid)
        try:
            if self._own_or_attach(programs):
                self._forget_former_owner()
                cluster = Cluster(home=self._home, programs=programs, durable=self._durable)
                cluster.make_or_check(major=major)
                self._serve(cluster)
                self._publish()
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise _unusable(self._home, error) from error
            raise

    def stop(self) -> None:
        """End the server if this process owns it. Does nothing if nothing was started."""
        if self._lock is not None:
            self._ready_file.unlink(missing_ok=True)
            if self._server is not None:
                end_server(self._server)
            if self._address is not None:
                self._forget_sockets(self._address)
            os.close(self._lock)
        self._lock = self._server = self._address = None

    @property
    def _ready_file(self) -> Path:
        return self._home / _READY

    def _running(self) -> _Address:
        if self._address is None:
            raise RuntimeError("the embedded PostgreSQL has not been started")
        return self._address

    def _own_or_attach(self, programs: PostgresPrograms) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while not self._lock_home():
            self._address = self._address_of_the_owner(programs)
            if self._address is not None:
                return False
            if time.monotonic() > deadline:
                raise DatabaseUnreachableError(
                    f"another process holds {self._home / 'owner.lock'}, but its PostgreSQL was not ready "
                    f"within {START_SECONDS:.0f} s: see {self.log}"
                )
            time.sleep(_POLL_SECONDS)
        return True

    def _lock_home(self) -> bool:
        lock = os.open(self._home / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _address_of_the_owner(self, programs: PostgresPrograms) -> _Address | None:
        address = self._read_address()
        if address is None:
            return None
        probe = programs.run("pg_isready", "-h", address.socket_directory, "-p", str(address.port))
        # Read again: the first address may have been that of a killed owner.
        return address if probe.returncode == 0 and address == self._read_address() else None

    def _read_address(self) -> _Address | None:
        return _read_address(self._ready_file)

    def _publish(self) -> None:
        unfinished = self._ready_file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self._running())))
        unfinished.rename(self._ready_file)

    def _forget_former_owner(self) -> None:
        former = self._read_address()
        if former is not None:
            self._ready_file.unlink()
            self._forget_sockets(former)

    def _forget_sockets(self, address: _Address) -> None:
        if address.socket_directory != str(self._home):
            shutil.rmtree(address.socket_directory, ignore_errors=True)

    def _serve(self, cluster: Cluster) -> None:
        socket_directory = self._socket_directory(cluster.programs)
        for choice in range(_PORT_CHOICES):
            port = self._choose_port(anew=choice > 0)
            self._address = _Address(socket_directory=str(socket_directory), port=port)
            try:
                self._server = cluster.serve(port=port, socket_directory=socket_directory)
            except PortTakenError:
                if choice + 1 == _PORT_CHOICES:
                    raise
            else:
                return

    def _socket_directory(self, programs: PostgresPrograms) -> Path:
        longest = os.fsencode(self._home / ".s.PGSQL.65535")
        # libpq and the server treat a comma as a separator of directories.
        if len(longest) <= _SOCKET_PATH_BYTES and not any(mark in str(self._home) for mark in ',"'):
            return self._home
        elsewhere = Path(tempfile.mkdtemp(prefix="syncline-"))
        programs.give(elsewhere)
        return elsewhere

    def _choose_port(self, *, anew: bool) -> int:
        """The port of the last start if it is still free, because clients may have it in their settings."""
        kept = self._home / "port"
        try:
            port = int(kept.read_text())
        except (FileNotFoundError, ValueError):
            anew = True
        if anew or not _is_free(port):
            with socket.socket() as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            kept.write_text(str(port))
        return port


def home_below(data: Path) -> Path:
    """The home of the embedded server in a data directory."""
    return data.absolute() / "postgres"


def running_server(home: Path) -> str | None:
    """The URL of the server that another process runs in `home`; None if there is none."""
    address = _read_address(home / _READY)
    return address.url if address and address.is_served() else None


def _read_address(file: Path) -> _Address | None:
    try:
        return _Address(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):  # missing, not readable, or empty after a crash of the machine
        return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does; otherwise closed connections of the last server keep the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _make_private(home: Path) -> None:
    """Create the directory if it is missing, and deny access to other users.

    Raises:
        ConfigurationError: the directory cannot be used, or belongs to another user.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = home.stat().st_uid
        mine = {0, NOBODY} if os.geteuid() == 0 else {os.geteuid()}
        if owner in mine:
            home.chmod(0o700)
            return
    except OSError as error:
        raise _unusable(home, error) from error
    raise ConfigurationError(
        f"the directory {home} of the embedded PostgreSQL belongs to user {owner}, not to {os.geteuid()}: "
        f"run as that user, choose another directory, {INSTEAD}"
    )


def _unusable(home: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the directory {home} of the embedded PostgreSQL cannot be used: {error.strerror}; "
        f"choose another directory {INSTEAD}"
    )
