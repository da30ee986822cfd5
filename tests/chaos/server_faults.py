"""Faults of the PostgreSQL servers, of the store's alone or of both."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

from tests.chaos.kinds import A_WHILE, NO_TIME, PAST_LEASE, Need, kind
from tests.chaos.load import KEYLESS
from tests.chaos.statements import execute
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.system import System

_DYING_SECONDS: Final = 0.05
# Short enough for the workers' leases of before to last: an attempt whose claim is forgotten goes on.
_BEHIND: Final = (0.8, 1.4)
_LONGEST_STATEMENT: Final = timedelta(minutes=1)
_DUE_SECONDS: Final = 15.0
_NEARLY_DUE: Final = """
SELECT FROM syncline.schedules s
WHERE s.source = %s AND s.next_fire_at BETWEEN now() AND now() + interval '0.5 s'
  AND NOT EXISTS (
    SELECT FROM syncline.collections c WHERE c.source = s.source AND c.status IN ('SCHEDULED', 'RUNNING')
  )
"""
_TERMINATE: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


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
    for server in system.server.both:
        await execute(server, f"{_TERMINATE} AND {which}")
    yield


@kind("disk full", touches="server", hold=(1.0, 4.0), needs=Need.SMALL_DISK)
@asynccontextmanager
async def disk_full(system: System, _victim: int) -> AsyncIterator[None]:
    await asyncio.to_thread(system.server.fill_disk)
    yield
    system.server.free_disk()
    # Without space for its log the server crashes, and what is left of it may still be on its way down.
    await asyncio.sleep(_DYING_SECONDS)
    system.server.start()


@kind("standby promoted", touches="server", hold=_BEHIND)
@asynccontextmanager
async def standby_promoted(system: System, _victim: int) -> AsyncIterator[None]:
    """A standby of the store takes over, and lacks what was committed meanwhile: also the claim of a live attempt."""
    standby = await system.server.make_standby()
    with suppress(AssertionError):  # while another fault keeps the schedule from it
        await until(partial(asyncio.to_thread, _is_nearly_due, system), seconds=_DUE_SECONDS)
    await asyncio.to_thread(standby.stop_receiving)
    since = datetime.now(UTC) - _LONGEST_STATEMENT
    yield
    await system.promote(standby, since=since)


def _is_nearly_due(system: System) -> bool:
    """Whether a claim of the source comes in a moment whose rows have no key."""
    with suppress(psycopg.OperationalError), system.connect() as connection:
        return connection.execute(_NEARLY_DUE, [KEYLESS]).fetchone() is not None
    return False


@kind("synchronous_commit off, PostgreSQL crashed", touches="server", hold=A_WHILE)
@asynccontextmanager
async def crashed_with_unsafe_commits(system: System, _victim: int) -> AsyncIterator[None]:
    """A commit of a session with the server's own setting would be lost, because it would be written much later."""
    for server in system.server.both:
        await asyncio.to_thread(server.configure, synchronous_commit="off", wal_writer_delay="10s")
    yield
    system.server.stop(signal.SIGQUIT)
    system.server.start()
    for server in system.server.both:
        await asyncio.to_thread(server.configure, synchronous_commit="on", wal_writer_delay="200ms")


@kind("PostgreSQL read-only", touches="server", hold=A_WHILE)
@asynccontextmanager
async def read_only(system: System, _victim: int) -> AsyncIterator[None]:
    """As providers do it for a disk that is nearly full. Sessions of that time must go by themselves."""
    change = "ALTER DATABASE app SET default_transaction_read_only = {}"
    for server in system.server.both:
        await execute(server, change.format("on"))
        await execute(server, _TERMINATE)
    yield
    for server in system.server.both:
        await execute(server, change.format("off"))
