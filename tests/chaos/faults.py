"""The faults: each is injected, holds for a while, and is healed. Two that touch the same thing never overlap."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.failpoints import POINTS
from tests.chaos import configuration_faults, server_faults  # noqa: F401 - they register their kinds
from tests.chaos.attempts import FIND_SECONDS, some_attempt
from tests.chaos.clock import set_clock
from tests.chaos.kinds import A_WHILE, EVERY_WORKER, KINDS, NO_TIME, PAST_LEASE, Kind, Need, kind
from tests.chaos.schema import newer_schema
from tests.chaos.statements import execute, held
from tests.chaos.system import JUMPER
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.kinds import Injection
    from tests.chaos.system import Replica, System

__all__ = ["KINDS"]


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


@kind("attempt server killed", touches="attempt", hold=NO_TIME)
@asynccontextmanager
async def attempt_server_killed(system: System, victim: int) -> AsyncIterator[None]:
    """While it has an attempt, which must be handed back."""
    worker, _ = await some_attempt(system, victim)
    for pid in worker.attempt_servers():
        worker.signal_attempt(pid, signal.SIGKILL)
    yield


@kind("attempt server stopped past the lease", touches="attempt", hold=PAST_LEASE)
@asynccontextmanager
async def attempt_server_stopped(system: System, victim: int) -> AsyncIterator[None]:
    worker, _ = await some_attempt(system, victim)
    servers = worker.attempt_servers()
    for pid in servers:
        worker.signal_attempt(pid, signal.SIGSTOP)
    yield
    for pid in servers:
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


@kind("connections cut", touches="network", hold=A_WHILE)
@asynccontextmanager
async def connections_cut(system: System, victim: int) -> AsyncIterator[None]:
    ways = _any(system, victim).ways
    for proxy in ways:
        proxy.cut()
    yield
    for proxy in ways:
        proxy.mend()


@kind("worker's network silent past its lease", touches="network", hold=PAST_LEASE)
@asynccontextmanager
async def worker_blackholed(system: System, victim: int) -> AsyncIterator[None]:
    ways = _worker(system, victim).ways
    for proxy in ways:
        proxy.freeze()
    yield
    for proxy in ways:
        proxy.mend()


@kind("API's network silent", touches="network", hold=A_WHILE)
@asynccontextmanager
async def api_blackholed(system: System, victim: int) -> AsyncIterator[None]:
    ways = _api(system, victim).ways
    for proxy in ways:
        proxy.freeze()
    yield
    for proxy in ways:
        proxy.mend()


@kind("worker's machine lost", touches=("worker", "network"), hold=PAST_LEASE)
@asynccontextmanager
async def machine_lost(system: System, victim: int) -> AsyncIterator[None]:
    """The server never learns that its client is gone: the connections stay, whatever they hold."""
    worker = _worker(system, victim)
    for proxy in worker.ways:
        proxy.abandon()
    worker.send(signal.SIGKILL)
    yield
    for proxy in worker.ways:
        proxy.bury()


@kind("queue locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def queue_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "LOCK TABLE syncline.collections IN ACCESS EXCLUSIVE MODE"):
        yield


@kind("queue locked past the lease", touches="locks", hold=PAST_LEASE)
@asynccontextmanager
async def queue_locked_for_long(system: System, _victim: int) -> AsyncIterator[None]:
    """However many statements wait for the queue, none of them may keep a lease from being renewed."""
    async with held(system, "LOCK TABLE syncline.collections IN ACCESS EXCLUSIVE MODE"):
        yield


@kind("workers' leases locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def leases_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "SELECT FROM syncline.workers FOR UPDATE"):
        yield


@kind("queue rows locked", touches="locks", hold=(0.5, 1.5))
@asynccontextmanager
async def rows_locked(system: System, _victim: int) -> AsyncIterator[None]:
    async with held(system, "SELECT FROM syncline.collections WHERE hashtext(collection) % 2 = 0 FOR UPDATE"):
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
        replica.ways.store.notifications = 5
    await execute(system.server.store, "SELECT pg_notify('syncline', n::text) FROM generate_series(1, 500) AS n")
    yield
    for replica in system.replicas:
        replica.ways.store.notifications = 1


@kind("notifications lost", touches="notifications", hold=(3.0, 6.0))
@asynccontextmanager
async def notifications_lost(system: System, _victim: int) -> AsyncIterator[None]:
    for replica in system.replicas:
        replica.ways.store.notifications = 0
    yield
    for replica in system.replicas:
        replica.ways.store.notifications = 1


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
    async with newer_schema(system.server.store.url):
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
