"""Whether everything runs that should, how long that took after a fault, and what stays open meanwhile."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx
import psycopg

from tests.chaos.load import LEASE_SECONDS
from tests.history.record import OpenTransaction

if TYPE_CHECKING:
    from tests.chaos.system import System

LIMIT_SECONDS: Final = LEASE_SECONDS + 20
_LOOK_SECONDS: Final = 0.25
_GIVE_UP_SECONDS: Final = 120.0

# A collection runs when a task of it was started since, when one is running under a lease that was renewed since, or
# when its task waits for the time that its own retry has set. Those of a cron schedule come once a minute, and some are
# paused: no measure.
_STILL = """
SELECT s.source || '/' || s.collection
FROM syncline.schedules s
LEFT JOIN syncline.collections q USING (source, collection)
LEFT JOIN syncline.workers w ON w.worker = q.worker
WHERE s.active AND s.expression LIKE '@every%%' AND s.collection NOT LIKE 'paused%%'
  AND NOT (coalesce(q.status = 'SCHEDULED' AND q.failures > 0 AND q.run_at > now(), false))
  AND NOT (coalesce(q.status = 'RUNNING' AND w.lease_until > now() AND w.renewed_at > %(since)s, false))
  AND NOT EXISTS (
    SELECT FROM syncline.all_tasks t
    WHERE t.source = s.source AND t.collection = s.collection AND t.created_at > %(since)s - interval '30 minutes'
      AND t.started_at > %(since)s
  )
ORDER BY 1
"""
_OPEN = """
SELECT application_name, clock_timestamp() - xact_start, state || ': ' || left(query, 200)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'syncline %%' AND xact_start > %s
  AND wait_event_type IS DISTINCT FROM 'Lock'
"""


class NotRecoveredError(Exception):
    """After two minutes some collection still did not run."""


async def recovered(system: System, since: datetime) -> float:
    """Wait until every collection runs again and every replica of the API is ready: the seconds since `since`.

    Raises:
        NotRecoveredError: naming what does not run.
    """
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        still = await _still_waiting(system, since)
        if not still:
            return (datetime.now(since.tzinfo) - since).total_seconds()
        if time.monotonic() > deadline:
            raise NotRecoveredError(f"after {_GIVE_UP_SECONDS:g} s these do not run: {', '.join(still[:20])}")
        await asyncio.sleep(_LOOK_SECONDS)


async def _still_waiting(system: System, since: datetime) -> list[str]:
    if not await _ready(system):
        return ["the API"]
    try:
        return await asyncio.to_thread(_waiting_collections, system, since)
    except psycopg.Error as error:
        return [f"PostgreSQL: {error}"]


def _waiting_collections(system: System, since: datetime) -> list[str]:
    with system.connect() as connection:
        return [name for (name,) in connection.execute(_STILL, {"since": since})]


async def _ready(system: System) -> bool:
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        for address in system.addresses:
            try:
                if (await client.get(f"{address}/readyz")).status_code != httpx.codes.OK:
                    return False
            except httpx.HTTPError:
                return False
    return True


class TransactionWatch:
    """Looks for transactions of workers that stay open, while no fault holds them up and none has done so before."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._calm_since: datetime | None = None
        self.seen: dict[str, OpenTransaction] = {}

    async def run(self) -> None:
        """Until canceled."""
        while True:
            if since := self._calm_since:
                with suppress(psycopg.Error):
                    found = await asyncio.to_thread(self._look, since)
                    if self._calm_since == since:
                        self._take(found)
            await asyncio.sleep(_LOOK_SECONDS)

    async def calm(self, seconds: float) -> None:
        """For so long nothing is done to the system."""
        self._calm_since = datetime.now(UTC)
        await asyncio.sleep(seconds)
        self._calm_since = None

    def _look(self, since: datetime) -> list[OpenTransaction]:
        found = []
        for server in self._system.server.both:
            with server.connect() as connection:
                found += [OpenTransaction(*row) for row in connection.execute(_OPEN, [since])]
        return found

    def _take(self, found: list[OpenTransaction]) -> None:
        """The oldest of each statement is enough to judge."""
        for one in found:
            known = self.seen.get(one.statement)
            if known is None or known.age < one.age:
                self.seen[one.statement] = one
