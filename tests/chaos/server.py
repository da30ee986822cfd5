"""A PostgreSQL server to be stopped, crashed and starved of space: durable settings, a small file system of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from app.bootstrap.postgres_cluster import LOOPBACK, ROLE, Cluster, end_server
from app.bootstrap.postgres_programs import choose_programs, find_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.postgres import TcpServer

DISK_MB = 1024
_STOP_SECONDS = 30
# A crash of the server loses nothing that it has written, synced or not; only one of the machine would. Full disks: a
# segment of the log that is made anew needs space, one that is used again hides that there is none.
_SETTINGS = """
fsync = off
max_connections = 200
shared_buffers = 64MB
max_wal_size = 96MB
min_wal_size = 32MB
wal_recycle = off
wal_init_zero = on
checkpoint_timeout = 30s
log_min_messages = warning
"""


class ChaosServer:
    """One server; its faults are methods. To be used from the main thread, with which the server ends."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._disk = home / "disk"
        self._disk.mkdir(parents=True)
        self._mounted = _mount(self._disk)
        programs, major = choose_programs(find_wheel(), owner=os.geteuid())
        self._cluster = Cluster(home=self._disk, programs=programs, durable=True)
        self._cluster.make_or_check(major=major)
        with (self._disk / "data" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self._port = int(probe.getsockname()[1])
        self._server = self._serve()

    @property
    def tcp(self) -> TcpServer:
        password = self._cluster.password_file.read_text()
        return {"host": LOOPBACK, "port": self._port, "user": ROLE, "password": password}

    @property
    def url(self) -> str:
        tcp = self.tcp
        return f"postgresql://{ROLE}:{tcp['password']}@{LOOPBACK}:{self._port}/{ROLE}"

    @property
    def has_small_disk(self) -> bool:
        """Whether the disk can be filled without harm to others."""
        return self._mounted

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, sessions end; SIGQUIT: immediate, a crash whose recovery the next start has to do."""
        if self._server.poll() is None:
            self._server.send_signal(how)
            self._server.wait(timeout=_STOP_SECONDS)

    def start(self) -> None:
        """Does nothing where it runs."""
        if self._server.poll() is not None:
            self._server = self._serve()

    def fill_disk(self) -> None:
        """Take all space that is left, to the last page, while the server writes as well."""
        piece = DISK_MB << 20
        with (self._disk / "ballast").open("wb") as ballast:
            while piece >= os.sysconf("SC_PAGE_SIZE"):
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.seek(0, os.SEEK_END), piece)
                except OSError:
                    piece //= 2

    def free_disk(self) -> None:
        (self._disk / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        self.free_disk()
        end_server(self._server)
        if self._mounted:
            subprocess.run(["umount", "--lazy", self._disk], check=False)

    def _serve(self) -> subprocess.Popen[bytes]:
        return self._cluster.serve(port=self._port, socket_directory=self._disk)


def _mount(directory: Path) -> bool:
    """A small tmpfs there, where this process may mount: as root, or in the namespace of `tests.chaos.__main__`."""
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "syncline-chaos", directory]
    return os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
