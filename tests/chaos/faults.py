"""The faults: each is injected, holds for a while, and is healed. Two that touch the same thing never overlap."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.failpoints import POINTS
from tests.chaos.attempts import FIND_SECONDS, some_attempt
from tests.chaos.clock import set_clock
from tests.chaos.load import LEASE_SECONDS
from tests.chaos.schema import newer_schema
from tests.chaos.statements import execute, held
from tests.chaos.system import JUMPER, WORKERS
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from tests.chaos.system import Replica, System

    Injection = Callable[[System, int], AbstractAsyncContextManager[None]]

# Longer than a lease; a moment; as long as an outage that is noticed.
PAST_LEASE: Final = (LEASE_SECONDS * 1.2, LEASE_SECONDS * 2.0)
NO_TIME: Final = (0.0, 0.0)
A_WHILE: Final = (1.0, 3.0)
_LOOK_SECONDS: Final = 0.05
# From reading the configuration to the exit of a process that cannot use it.
_START_SECONDS: Final = 10.0


class Need(StrEnum):
    """What a fault needs of the machine: the words that say why it cannot be had."""

    SMALL_DISK = "no file system can be mounted: neither root nor user namespaces (unshare -rm)"
    LIBFAKETIME = "libfaketime does not work here"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how it is injected and healed, for how many seconds it may hold, what it touches and needs.

    `worker` stands for the one that is its victim. `alone`: nothing else may happen meanwhile, for what comes of it is
    judged, and could be the other fault's doing.
    """

    inject: Injection
    hold: tuple[float, float]
    touches: frozenset[str]
    needs: Need | None = None
    alone: bool = False


KINDS: Final[dict[str, Kind]] = {}


# Touched by what is about all workers: it overlaps with no other fault of a worker.
EVERY_WORKER: Final = tuple(f"worker {number}" for number in range(WORKERS))


def kind(
    name: str,
    *,
    touches: str | Sequence[str],
    hold: tuple[float, float],
    needs: Need | None = None,
    alone: bool = False,
) -> Callable[[Injection], Injection]:
    def register(inject: Injection) -> Injection:
        KINDS[name] = Kind(inject, hold, frozenset([touches] if isinstance(touches, str) else touches), needs, alone)
        return inject

    return register


def skipped_kinds(*, small_disk: bool, libfaketime: bool) -> dict[str, str]:
    """The kinds that a machine with or without these cannot have, each with the reason."""
    there = {Need.SMALL_DISK: small_disk, Need.LIBFAKETIME: libfaketime}
    return {name: kind.needs.value for name, kind in KINDS.items() if kind.needs and not there[kind.needs]}


def _worker(system: System, victim: int) -> Replica:
    return system.workers[victim % len(system.workers)]


def _api(system: System, victim: int) -> Replica:
    return system.apis[victim % len(system.apis)]


def _any(system: System, victim: int) -> Replica:
    return system.replicas[victim % len(system.replicas)]


@kind("worker killed", touches="worker", hold=NO_TIME)
@asynccontextmanager
async def worker_killed(system: System, victim: int) -> AsyncIterator[None]:
    _worker(system, victim).send(signal.SIGKILL)
    yield


@kind("worker stopped past its lease", touches="worker", hold=PAST_LEASE)
@asynccontextmanager
async def worker_stopped(system: System, victim: int) -> AsyncIterator[None]:
    worker = _worker(system, victim)
    worker.send(signal.SIGSTOP)
    yield
    worker.send(signal.SIGCONT)


@kind("attempt killed", touches="attempt", hold=NO_TIME)
@asynccontextmanager
async def attempt_killed(system: System, victim: int) -> AsyncIterator[None]:
    worker, pid = await some_attempt(system, victim)
    worker.signal_attempt(pid, signal.SIGKILL)
    yield


@kind("attempt stopped past the lease", touches="attempt", hold=PAST_LEASE)
@asynccontextmanager
async def attempt_stopped(system: System, victim: int) -> AsyncIterator[None]:
    worker, pid = await some_attempt(system, victim)
    worker.signal_attempt(pid, signal.SIGSTOP)
    yield
    worker.signal_attempt(pid, signal.SIGCONT)


@kind("worker killed, its attempt stopped", touches=("worker", "attempt"), hold=PAST_LEASE)
@asynccontextmanager
async def orphan(system: System, victim: int) -> AsyncIterator[None]:
    """What follows its parent into death cannot when it is stopped: SIGKILL reaches it all the same."""
    worker, pid = await some_attempt(system, victim)
    worker.signal_attempt(pid, signal.SIGSTOP)
    worker.send(signal.SIGKILL)
    yield
    worker.signal_attempt(pid, signal.SIGCONT)


@kind("API killed", touches="api", hold=NO_TIME)
@asynccontextmanager
async def api_killed(system: System, victim: int) -> AsyncIterator[None]:
    _api(system, victim).send(signal.SIGKILL)
    yield


@kind("API stopped", touches="api", hold=A_WHILE)
@asynccontextmanager
async def api_stopped(system: System, victim: int) -> AsyncIterator[None]:
    api = _api(system, victim)
    api.send(signal.SIGSTOP)
    yield
    api.send(signal.SIGCONT)


@kind("PostgreSQL restarted", touches="server", hold=(0.2, 2.0))
@asynccontextmanager
async def server_restarted(system: System, _victim: int) -> AsyncIterator[None]:
    system.server.stop(signal.SIGINT)
    yield
    system.server.start()


@kind("PostgreSQL crashed", touches="server", hold=(0.2, 2.0))
@asynccontextmanager
async def server_crashed(system: System, _victim: int) -> AsyncIterator[None]:
    system.server.stop(signal.SIGQUIT)
    yield
    system.server.start()


@kind("PostgreSQL away past the lease", touches="server", hold=PAST_LEASE)
@asynccontextmanager
async def server_away(system: System, _victim: int) -> AsyncIterator[None]:
    system.server.stop(signal.SIGQUIT)
    yield
    system.server.start()


@kind("backends terminated", touches="backends", hold=NO_TIME)
@asynccontextmanager
async def backends_terminated(system: System, victim: int) -> AsyncIterator[None]:
    """All of them, or every third."""
    which = "true" if victim % 2 else "pid % 3 = 0"
    await execute(
        system,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}",
    )
    yield


@kind("connections cut", touches="network", hold=A_WHILE)
@asynccontextmanager
async def connections_cut(system: System, victim: int) -> AsyncIterator[None]:
    proxy = _any(system, victim).proxy
    proxy.cut()
    yield
    proxy.mend()


@kind("worker's network silent past its lease", touches="network", hold=PAST_LEASE)
@asynccontextmanager
async def worker_blackholed(system: System, victim: int) -> AsyncIterator[None]:
    proxy = _worker(system, victim).proxy
    proxy.freeze()
    yield
    proxy.mend()


@kind("API's network silent", touches="network", hold=A_WHILE)
@asynccontextmanager
async def api_blackholed(system: System, victim: int) -> AsyncIterator[None]:
    proxy = _api(system, victim).proxy
    proxy.freeze()
    yield
    proxy.mend()


@kind("worker's machine lost", touches=("worker", "network"), hold=PAST_LEASE)
@asynccontextmanager
async def machine_lost(system: System, victim: int) -> AsyncIterator[None]:
    """The server never learns that its client is gone: the connections stay, whatever they hold."""
    worker = _worker(system, victim)
    worker.proxy.abandon()
    worker.send(signal.SIGKILL)
    yield
    worker.proxy.bury()


@kind("disk full", touches="server", hold=(1.0, 4.0), needs=Need.SMALL_DISK)
@asynccontextmanager
async def disk_full(system: System, _victim: int) -> AsyncIterator[None]:
    await asyncio.to_thread(system.server.fill_disk)
    yield
    system.server.free_disk()
    # Without space for its log the server crashes, and what is left of it may still be on its way down.
    await asyncio.sleep(_LOOK_SECONDS)
    system.server.start()


@kind("queue locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def queue_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "LOCK TABLE syncline.task_queue IN ACCESS EXCLUSIVE MODE"):
        yield


@kind("queue locked past the lease", touches="locks", hold=PAST_LEASE)
@asynccontextmanager
async def queue_locked_for_long(system: System, _victim: int) -> AsyncIterator[None]:
    """However many statements wait for the queue, none of them may keep a lease from being renewed."""
    async with held(system, "LOCK TABLE syncline.task_queue IN ACCESS EXCLUSIVE MODE"):
        yield


@kind("workers' leases locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def leases_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "SELECT FROM syncline.workers FOR UPDATE"):
        yield


@kind("queue rows locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def rows_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "SELECT FROM syncline.task_queue WHERE hashtext(collection) % 2 = 0 FOR UPDATE"):
        yield


@kind("schedules locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def schedules_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "SELECT FROM syncline.schedules WHERE hashtext(collection) % 2 = 0 FOR UPDATE"):
        yield


@kind("long foreign transaction", touches="foreign", hold=(3.0, 6.0))
@asynccontextmanager
async def foreign_transaction(system: System, _victim: int) -> AsyncIterator[None]:
    """It writes, so that the horizon of all transactions stands still."""
    async with held(system, "CREATE TABLE IF NOT EXISTS foreign_rows (); INSERT INTO foreign_rows DEFAULT VALUES"):
        yield


@kind("clock jumps", touches="clock", hold=A_WHILE, needs=Need.LIBFAKETIME)
@asynccontextmanager
async def clock_jumps(system: System, victim: int) -> AsyncIterator[None]:
    assert system.clock is not None
    set_clock(system.clock, 600 if victim % 2 else -600)
    yield
    set_clock(system.clock, 0)


@kind(
    "worker started with a wrong clock",
    touches=("clock", f"worker {JUMPER}"),
    hold=A_WHILE,
    needs=Need.LIBFAKETIME,
)
@asynccontextmanager
async def wrong_clock(system: System, victim: int) -> AsyncIterator[None]:
    assert system.clock is not None
    set_clock(system.clock, -600 if victim % 2 else 600)
    system.workers[JUMPER].send(signal.SIGKILL)
    yield
    set_clock(system.clock, 0)


@kind("notifications repeated", touches="notifications", hold=A_WHILE)
@asynccontextmanager
async def notifications_repeated(system: System, _victim: int) -> AsyncIterator[None]:
    for replica in system.replicas:
        replica.proxy.notifications = 5
    await execute(system, "SELECT pg_notify('syncline', n::text) FROM generate_series(1, 500) AS n")
    yield
    for replica in system.replicas:
        replica.proxy.notifications = 1


@kind("notifications lost", touches="notifications", hold=(3.0, 6.0))
@asynccontextmanager
async def notifications_lost(system: System, _victim: int) -> AsyncIterator[None]:
    for replica in system.replicas:
        replica.proxy.notifications = 0
    yield
    for replica in system.replicas:
        replica.proxy.notifications = 1


@kind("configuration changed", touches="configuration", hold=A_WHILE)
@asynccontextmanager
async def configuration_changed(system: System, _victim: int) -> AsyncIterator[None]:
    """Schedules come, go and change; a version that is no YAML and one that lacks a destination come between."""
    system.write_catalogue()
    await asyncio.sleep(_LOOK_SECONDS)
    system.may_refuse_until = math.inf
    system.write_catalogue("sources: [this is: no catalogue")
    yield
    system.write_catalogue()
    system.may_refuse_until = time.monotonic() + _START_SECONDS


@kind("rolling restart", touches=(*EVERY_WORKER, "api"), hold=NO_TIME, alone=True)
@asynccontextmanager
async def rolling_restart(system: System, _victim: int) -> AsyncIterator[None]:
    for replica in system.replicas:
        if replica.lives:
            await system.drain(replica)
            await until(replica.is_back, seconds=FIND_SECONDS)
    yield


@kind("newer schema", touches=(*EVERY_WORKER, "server", "locks", "backends", "api"), hold=A_WHILE)
@asynccontextmanager
async def migrated(system: System, victim: int) -> AsyncIterator[None]:
    """Replicas of this release go on, and start, on the schema of a release that expands it."""
    async with newer_schema(system.server.url):
        _worker(system, victim).send(signal.SIGKILL)
        _api(system, victim).send(signal.SIGKILL)
        yield


# How probable a fail point is made: those that are passed all the time, and those of an attempt that has rows.
_NOW_AND_THEN: Final = 0.2
_OFTEN: Final = 0.6
_RARE: Final = {
    *("bookmark.saving", "child.staged", "child.committed", "workers.lost"),
    *("destination.committing", "destination.bookmarked"),
}


def _fail_point(name: str, action: str) -> Injection:
    @asynccontextmanager
    async def inject(system: System, victim: int) -> AsyncIterator[None]:
        """One replica with the point armed, until it has died of it or long enough; then one without."""
        replica = (_api if name == "task.scheduled" else _worker)(system, victim)
        replica.fail_points = f"{name}={action}:{_OFTEN if name in _RARE else _NOW_AND_THEN}"
        if replica.lives:
            await replica.stop()
        if name == "workers.lost":
            next(worker for worker in system.workers if worker is not replica).send(signal.SIGKILL)
        yield
        replica.fail_points = ""
        if replica.lives:
            replica.send(signal.SIGKILL)

    return inject


for _name in sorted(POINTS):
    _touched = frozenset({"api"}) if _name == "task.scheduled" else frozenset({"worker"})
    for _action in ("kill",) if _name == "task.scheduled" else ("kill", "error"):
        KINDS[f"fail point {_name}: {_action}"] = Kind(_fail_point(_name, _action), (3.0, 4.0), _touched)
