"""A scheduler on a database of its own, and versions of a configuration that bring their schedules into it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.config.watch import CatalogueWatcher
from app.scheduling.definitions import Definitions, put_definitions
from app.scheduling.scheduler import Scheduler
from app.store.notify import Notifier
from app.store.schedules import ScheduleDefinition, Schedules
from tests.harness import synthetic, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Store

NOBODY = UUID(int=1)
HOUR = timedelta(hours=1)


def a_schedule(collection: str = "c", expression: str = "*/5 * * * *", **given: Any) -> ScheduleDefinition:
    defaults: dict[str, Any] = {
        "source": "s",
        "source_type": "synthetic",
        "max_attempts": 3,
        "timezone": "UTC",
        "misfire": "latest",
        "misfire_window": None,
    }
    return ScheduleDefinition(collection=collection, expression=expression, **(defaults | given))


class Scheduling:
    """A scheduler and the ledger that it writes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.schedules = Schedules(store.pool)
        self.notifier = Notifier(store.pool)
        self.scheduler = Scheduler(store.pool, self.notifier, lambda: NOBODY)

    async def put(self, begin: datetime, *definitions: ScheduleDefinition) -> None:
        await self.schedules.put([(definition, begin) for definition in definitions])

    async def decide(self) -> int:
        """Pass after pass until nothing is due: how many fire times were decided."""
        decided = 0
        while now := await self.scheduler.decide_due(NOBODY):
            decided += now
        return decided

    async def ledger(self, collection: str = "c") -> list[tuple[datetime, str, str | None]]:
        rows = await self.store.pool.fetch(
            "SELECT fire_time, outcome, reason FROM syncline.fire_times WHERE collection = $1 ORDER BY fire_time",
            collection,
        )
        return [tuple(row) for row in rows]

    async def outcomes(self, collection: str = "c") -> Counter[str]:
        return Counter(outcome for _, outcome, _ in await self.ledger(collection))

    async def row(self) -> Any:
        return await self.store.pool.fetchrow("SELECT * FROM syncline.schedules WHERE collection = 'c'")

    async def now(self) -> datetime:
        now: datetime = await self.store.pool.fetchval("SELECT syncline.clock()")
        return now


def five_minutes_before(now: datetime) -> datetime:
    """The last time of */5 that was due."""
    return now.replace(second=0, microsecond=0) - timedelta(minutes=now.minute % 5)


class Catalogues:
    """The configuration of one source whose collection `c` has a schedule, as versions of a file."""

    def __init__(self, scheduling: Scheduling, directory: Path, name: str = "config") -> None:
        self._scheduling = scheduling
        self._file = directory / f"{name}.yaml"
        self._watcher = CatalogueWatcher(self._file, {})
        self._definitions = Definitions(scheduling.schedules, self._watcher, changed=scheduling.scheduler.wake.set)

    async def write(self, schedule: str | None, *, source: dict[str, Any] | None = None, **more: Any) -> None:
        collection = {"name": "c"} | ({"schedule": schedule} if schedule else {}) | more
        usual = {"type": "synthetic", "destinations": ["nowhere"], "collections": [collection]}
        await self._take({"s": usual | (source or {})})

    async def leave_out(self, *, source: bool = True, **server: Any) -> None:
        """The source is missing, or only its collection."""
        await self._take({"other" if source else "s": synthetic(other={})}, **server)

    async def _take(self, sources: dict[str, Any], **server: Any) -> None:
        write_config(self._file, sources, **server)
        await self._watcher.refresh()
        await self._definitions.step()

    def forget(self) -> None:
        """A new process, which knows no previous version of the file."""
        self._watcher = CatalogueWatcher(self._file, {})
        self._definitions = Definitions(self._scheduling.schedules, self._watcher)

    async def step(self) -> None:
        await self._definitions.step()

    async def restart(self) -> None:
        """A new process reads the same file."""
        await put_definitions(self._scheduling.schedules, self._watcher.current)


async def went_down(scheduling: Scheduling, hours: int = 3) -> datetime:
    """As if the last look at the schedule had been hours ago: the fire time that was due next then."""
    fire_time = five_minutes_before(await scheduling.now()) - hours * HOUR
    await scheduling.store.pool.execute("UPDATE syncline.schedules SET next_fire_at = $1", fire_time)
    return fire_time
