"""Tasks that live through months: the service in miniature, with the database's clock in the test's hand."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.task import Status
from app.projections import PROJECTIONS, rebuild, verify
from app.store.database import connect
from app.store.leases import Leases
from app.store.log import LineBlock, append_lines
from app.store.partitions import ensure_partitions
from app.store.retention import retire
from app.store.seals import seal_weeks
from tests.harness import until
from tests.integration.projections.service import Service, running_service
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from app.domain.claim import Claim
    from app.domain.seal import Seal

KEEP = timedelta(days=14)


class Era:
    """A service over a long time; `go` lets time pass."""

    def __init__(self, service: Service, admin: asyncpg.Connection[asyncpg.Record], url: str) -> None:
        self.service = service
        self.admin = admin
        self.database = database_name(url)
        self._offset = timedelta()

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        return self.service.pool

    async def begin(self) -> None:
        """Monday noon of a week to come, so that a test knows where weeks end."""
        now: datetime = await self.pool.fetchval("SELECT syncline.clock()")
        monday = (now + timedelta(days=7 - now.weekday())).replace(hour=12, minute=0, second=0, microsecond=0)
        await self.go(monday - now)

    async def go(self, span: timedelta) -> None:
        """Let time pass, for every connection; there is a new worker, and the weeks to come have their partitions."""
        self._offset += span
        statement = (
            f"ALTER DATABASE {self.database} SET syncline.clock_offset = '{self._offset.total_seconds()} seconds'"
        )
        await self.admin.execute(statement)
        await self.admin.execute(f"SET syncline.clock_offset = '{self._offset.total_seconds()} seconds'")
        await self.pool.expire_connections()
        await ensure_partitions(self.pool)
        self.service = replace(
            self.service,
            worker=await Leases(self.pool).register(
                host="here", pid=1, release="0", slots=16, length=timedelta(days=1)
            ),
        )

    async def lived(
        self, collection: str, status: Status = Status.SUCCESS, *, lines: int = 1, save: bool = False
    ) -> UUID:
        """A task from beginning to end, with log lines and perhaps a bookmark."""
        claim = await self.claimed(collection)
        if lines:
            await self.log(claim, lines)
        if save:
            await self.service.save(claim, 5, {"id": 5})
        assert await self.service.end(claim, status=status, line=1 + lines) == []
        return claim.task

    async def claimed(self, collection: str) -> Claim:
        task = await self.service.schedule(collection)
        (claim,) = [claim for claim in await self.service.claim() if claim.task == task]
        return claim

    async def log(self, claim: Claim, lines: int = 1) -> None:
        block = LineBlock.of(1, 0.0, "info", [f"line {number}" for number in range(lines)])
        assert not await append_lines(self.pool, self.service.worker, [(claim, [block])], now=0.0)

    async def retire(self, *, keep: timedelta | None = KEEP, last_runs: int | None = None) -> bool:
        """One round of retention, after the statistics have seen everything and complete weeks are sealed."""
        if await self.streams():
            await self.service.project()
        await self.seal()
        return (await retire(self.pool, keep=keep, last_runs=last_runs)).complete

    async def seal(self) -> list[Seal]:
        """Seal the weeks that are complete."""
        seals: list[Seal] = []

        async def sealed() -> bool:
            new, delay = await seal_weeks(self.pool)
            seals.extend(new)
            return delay is None

        await until(sealed)
        return seals

    async def tasks(self) -> set[UUID]:
        return {row["task"] for row in await self.pool.fetch("SELECT task FROM syncline.all_tasks")}

    async def streams(self) -> set[UUID]:
        return {row["task"] for row in await self.pool.fetch("SELECT DISTINCT task FROM syncline.events")}

    async def logged(self) -> set[UUID]:
        return {row["task"] for row in await self.pool.fetch("SELECT DISTINCT task FROM syncline.log_events")}

    async def partitions(self, table: str) -> list[str]:
        rows = await self.admin.fetch("SELECT partition FROM syncline.partitions_of($1)", table)
        return [row["partition"] for row in rows]

    async def is_sound(self) -> None:
        """Projections equal the fold of what is left, and every rebuild makes the same rows of it."""
        if await self.streams():
            await self.service.project()
        assert await verify(self.pool) == []
        before = await self._projected()
        for name in PROJECTIONS:
            await rebuild(self.pool, name)
        assert await verify(self.pool) == []
        assert await self._projected() == before

    async def _projected(self) -> dict[str, list[str]]:
        return {
            name: [
                row[0]
                for row in await self.pool.fetch(
                    f"SELECT (to_jsonb(p) - 'generation')::text FROM syncline.{name} p ORDER BY 1"
                )
            ]
            for name in (*PROJECTIONS, "daily_collection_histogram")
        }


@asynccontextmanager
async def running_era(url: str, *, prepared: bool = True) -> AsyncIterator[Era]:
    """With `prepared` it is Monday noon of a week that has its partitions."""
    admin = await connect(url)
    try:
        async with running_service(url) as service:
            era = Era(service, admin, url)
            if prepared:
                await era.begin()
            yield era
    finally:
        await admin.close()
