"""The PostgreSQL servers of the store and of the warehouse, to be stopped, crashed, replaced and starved of space."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.history.reading import read_acknowledged
from tests.history.record import Acknowledged
from tests.servers.durable import DurableServer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

DISK_MB = 1024
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


@dataclass(frozen=True)
class Former:
    """A server that a standby has replaced, and what that one had of the time since then."""

    server: DurableServer
    kept: Acknowledged
    since: datetime


class ChaosServer:
    """Both servers on a small disk; their faults are methods. To be used from the main thread, with which they end.

    They are two because a promoted standby of the store may have forgotten what the warehouse must remember.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._disk = home / "disk"
        self._disk.mkdir(parents=True)
        self._mounted = _mount(self._disk)
        self.store = DurableServer(self._disk / "store", settings=_SETTINGS)
        self.warehouse = DurableServer(self._disk / "warehouse", settings=_SETTINGS)
        self._standbys = 0
        self._formers: list[Former] = []

    @property
    def both(self) -> tuple[DurableServer, DurableServer]:
        return self.store, self.warehouse

    @property
    def has_small_disk(self) -> bool:
        """Whether the disk can be filled without harm to others."""
        return self._mounted

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        for server in self.both:
            server.stop(how)

    def start(self) -> None:
        """Starts those that do not run."""
        for server in self.both:
            server.start()

    async def make_standby(self) -> DurableServer:
        """A standby of the store's server."""
        self._standbys += 1
        return await self.store.make_standby(self._disk / f"standby-{self._standbys}")

    async def promote(self, standby: DurableServer, *, since: datetime) -> Former:
        """Crash the store's server and put a standby in its place that lacks nothing of the time before `since`."""
        former = self.store
        former.stop(signal.SIGQUIT)
        await asyncio.to_thread(standby.promote)
        kept = await asyncio.to_thread(read_acknowledged, standby.url, since)
        self.store = standby
        return Former(former, kept, since)

    async def put_away(self, former: Former) -> None:
        """Until the end, for its start would hold everybody up now; it takes space that is for the others."""
        await asyncio.to_thread(former.server.move, self._home / f"former-{self._standbys}")
        self._formers.append(former)

    def forgotten(self) -> Acknowledged:
        """What the servers had committed that have crashed, and the standbys in their places lacked."""
        found = Acknowledged()
        for former in self._formers:
            former.server.start()
            found |= read_acknowledged(former.server.url, former.since) - former.kept
            former.server.close()
        return found

    def fill_disk(self) -> None:
        """Take all space that is left, to the last page, while the servers write as well."""
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
        for server in self.both:
            server.close()
        if self._mounted:
            subprocess.run(["umount", "--lazy", self._disk], check=False)


def _mount(directory: Path) -> bool:
    """A small tmpfs there, where this process may mount: as root, or in the namespace of `tests.chaos.__main__`."""
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "syncline-chaos", directory]
    return os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
