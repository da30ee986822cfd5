"""The system under test: two replicas of the API and three workers, each with its own way to one PostgreSQL server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import psutil
import psycopg

from app.lifeline import MARK_VARIABLE
from tests.acceptance.cluster import Cluster, Process
from tests.chaos.clock import find_libfaketime, jumping_environment
from tests.chaos.load import PACKAGED, catalogue
from tests.history.record import Drain
from tests.servers.postgres import migrate
from tests.servers.proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.chaos.server import ChaosServer
    from tests.servers.durable import DurableServer

APIS: Final = 2
WORKERS: Final = 3
# The worker whose clock can jump.
JUMPER: Final = WORKERS - 1
_LOOK_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = 0.5
# What a replica may end with: its clean end, a database that does not answer, a SIGKILL of ours.
_EXPECTED_EXITS: Final = {0, 3, -signal.SIGKILL}
EXIT_CONFIGURATION: Final = 2
SERVER: Final = "app.attempt.server"


class Ways(NamedTuple):
    """A replica's network: its ways to the two servers."""

    store: Proxy
    warehouse: Proxy


@dataclass
class Replica:
    """A process and all that it keeps over its lives; one that has died starts again at `start_at` (monotonic)."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    ways: Ways
    cluster: Cluster
    process: Process | None = None
    fail_points: str = ""
    held: bool = False
    asked_to_stop: bool = False
    start_at: float = 0.0
    exits: list[tuple[float, int]] = field(default_factory=list)

    def start(self) -> None:
        armed = {"SYNCLINE_FAIL_POINTS": self.fail_points} if self.fail_points else {}
        flags = ("--with-fail-points",) if armed else ()
        self.asked_to_stop = False
        self.process = self.cluster.start(*self.arguments, *flags, environment=self.environment | armed)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.exit_code is None

    async def is_back(self) -> bool:
        """Whether the service manager has started it again."""
        return self.lives

    def send(self, number: signal.Signals) -> None:
        """Nothing happens to one that is dead already."""
        if self.process is not None:
            self.process.signal(number)

    def attempts(self) -> list[int]:
        """The pids of the processes of its attempts, each the leader of its group."""
        parents = {self.pid, *self.attempt_servers()}
        return [pid for pid, parent, words in _marked() if parent in parents and SERVER not in words]

    def attempt_servers(self) -> list[int]:
        """The pids of the processes that fork its attempts."""
        return [pid for pid, parent, words in _marked() if parent == self.pid and SERVER in words]

    def signal_attempt(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(pid, number)

    async def stop(self, *, for_good: bool = False) -> int:
        """SIGTERM, and the exit code; the service manager does not look meanwhile, or never again."""
        assert self.process is not None
        self.held = self.asked_to_stop = True
        try:
            self.process.signal(signal.SIGTERM)
            return await asyncio.to_thread(self.process.wait)
        finally:
            self.held = for_good


def _marked() -> Iterator[tuple[int, int, list[str]]]:
    """Every process with an attempt's mark: (pid, parent's pid, words of its command line)."""
    for process in psutil.process_iter(["ppid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ()).split()
        if any(word.startswith(f"{MARK_VARIABLE}=") for word in words):
            yield process.pid, process.info["ppid"], words


@dataclass
class System:
    """Everything that a fault can reach.

    Until `may_refuse_until` (monotonic) no replica may be able to start, and until `may_lack_until` the configuration
    that a replica has read may lack collections.
    """

    directory: Path
    server: ChaosServer
    cluster: Cluster
    apis: list[Replica]
    workers: list[Replica]
    addresses: list[str]
    clock: Path | None
    packaged: bool = False
    light: bool = False
    version: int = 1
    may_refuse_until: float = 0.0
    may_lack_until: float = 0.0
    problems: list[str] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)

    @property
    def replicas(self) -> list[Replica]:
        return [*self.apis, *self.workers]

    def connect(self) -> psycopg.Connection:
        """A connection to the store past every proxy."""
        return self.server.store.connect()

    async def grow(self) -> None:
        """Give the packaged tap's table a row now and then. Until canceled."""
        statement = f"INSERT INTO {PACKAGED} SELECT coalesce(max(id), 0) + 1, 'new' FROM {PACKAGED}"

        def insert() -> None:
            with suppress(psycopg.Error), self.server.warehouse.connect() as connection:
                connection.execute(statement.encode())

        while True:
            await asyncio.to_thread(insert)
            await asyncio.sleep(_AGAIN_SECONDS)

    def text_of(self, version: int) -> str:
        """The configuration in one of its versions."""
        return catalogue(self.directory, version=version, packaged=self.packaged, light=self.light)

    def change_catalogue(self) -> None:
        """Put the next version of the configuration into its place."""
        self.version += 1
        self.put_catalogue(self.text_of(self.version))

    def put_catalogue(self, text: str) -> None:
        """No replica sees a part of it."""
        unfinished = self.cluster.config.with_suffix(".unfinished")
        unfinished.write_text(text)
        unfinished.rename(self.cluster.config)

    def may_lack(self) -> bool:
        return time.monotonic() < self.may_lack_until

    async def promote(self, standby: DurableServer, *, since: datetime) -> None:
        """Put a standby in the place of the store's server, and lead everybody there; `since` is for the server."""
        former = await self.server.promote(standby, since=since)
        for replica in self.replicas:
            replica.ways.store.lead_to(standby.tcp)
        await self.server.put_away(former)

    async def drain(self, replica: Replica, *, for_good: bool = False) -> None:
        """Stop a replica as an operator does; what a worker's stop does is kept for the checker."""
        pid, began = replica.pid, datetime.now(UTC)
        exit_code = await replica.stop(for_good=for_good)
        if replica in self.workers:
            self.drains.append(Drain(pid, began, datetime.now(UTC), exit_code))

    async def manage(self) -> None:
        """What a service manager does: start again what has died, after a short pause. Until canceled."""
        while True:
            for replica in self.replicas:
                if replica.process is None and time.monotonic() >= replica.start_at:
                    replica.start()
                elif replica.process is not None and not replica.lives and not replica.held:
                    self._take_exit(replica, replica.process.exit_code or 0)
                    replica.start_at = time.monotonic() + _AGAIN_SECONDS
                    replica.process = None
            await asyncio.sleep(_LOOK_SECONDS)

    def _take_exit(self, replica: Replica, code: int) -> None:
        replica.exits.append((datetime.now(UTC).timestamp(), code))
        expected = (
            code in _EXPECTED_EXITS
            or (code == EXIT_CONFIGURATION and time.monotonic() < self.may_refuse_until)
            # It was told to stop before it had come to listen for that.
            or (code == -signal.SIGTERM and replica.asked_to_stop)
        )
        if not expected and replica.process is not None:
            self.problems.append(f"{replica.name} ended with exit code {code}: {replica.process.text[-2000:]}")


@asynccontextmanager
async def running_system(
    directory: Path, server: ChaosServer, *, taps: Path | None, light: bool = False
) -> AsyncIterator[System]:
    """All processes, started on a migrated database; they end with the block.

    `taps` is where the packaged tap is installed; None: without it. `light` is for `catalogue`.
    """
    migrate(server.store.url)
    with server.warehouse.connect() as connection:
        connection.execute(f"CREATE TABLE {PACKAGED} (id bigint PRIMARY KEY, note text)".encode())
    library = find_libfaketime()
    clock = directory / "clock" if library else None
    jumping = jumping_environment(library, clock) if library and clock else {}
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(
            Cluster(
                directory, catalogue(directory, version=1, packaged=taps is not None, light=light), server.store.url
            )
        )
        if taps is not None:
            cluster.environment["SYNCLINE_DATA_DIR"] = str(taps)
        environments, ways = [], []
        for _ in range(APIS + WORKERS):
            url, store = await stack.enter_async_context(proxied(server.store.url, server.store.tcp))
            destination, warehouse = await stack.enter_async_context(
                proxied(server.warehouse.url, server.warehouse.tcp)
            )
            environments.append({"DATABASE_URL": url, "CHAOS_DESTINATION": destination})
            ways.append(Ways(store, warehouse))
        ports = [_free_port() for _ in range(APIS)]
        apis = [
            Replica(f"api {n}", ("api", "--port", str(port)), environments[n], ways[n], cluster)
            for n, port in enumerate(ports)
        ]
        workers = [
            Replica(f"worker {n}", ("worker",), environments[APIS + n], ways[APIS + n], cluster) for n in range(WORKERS)
        ]
        workers[JUMPER].environment |= jumping
        system = System(
            directory,
            server,
            cluster,
            apis,
            workers,
            [f"http://127.0.0.1:{port}" for port in ports],
            clock,
            packaged=taps is not None,
            light=light,
        )
        for replica in system.replicas:
            replica.start()
        manager = asyncio.create_task(system.manage())
        stack.push_async_callback(_canceled, manager)
        yield system


async def _canceled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
