"""A service in miniature: tasks live their lives through the store's own statements."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.cause import NO_CAUSE, Cause
from app.domain.claim import Claim, Ending, NewTask
from app.domain.table_columns import SchemaRevision, TableColumn
from app.domain.task import Status
from app.projections import ProjectionRunner
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from app.store.leases import Leases
from app.store.queue import TaskQueue
from app.store.streams import AttemptStreams
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from app.store.database import Pool

TYPES = {
    Status.SUCCESS: "TaskSucceeded",
    Status.FAILED: "TaskFailed",
    Status.CANCELED: "TaskCanceled",
    Status.SCHEDULED: "AttemptFailed",
}


# Commits of an attempt need numbers of their own, not a row without holes.
COMMITS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Service:
    pool: Pool
    queue: TaskQueue
    streams: AttemptStreams
    worker: UUID

    async def schedule(
        self, collection: str, source: str = "shop", *, again: bool = False, cause: Cause = NO_CAUSE
    ) -> UUID:
        new = NewTask(
            source=source,
            collection=collection,
            source_type="synthetic",
            trigger="api",
            priority_class=300,
            max_attempts=3,
            cause=cause,
        )
        return (await self.queue.schedule(new, again=again))[0]

    async def claim(self, limit: int = 1000) -> list[Claim]:
        return await self.queue.claim(self.worker, limit)

    async def project(self) -> None:
        """Run the asynchronous projection until it has seen every event.

        Once is not enough where others use the server: their transactions hold the horizon back, of whichever database.
        """
        runner = ProjectionRunner(self.pool)

        async def seen() -> bool:
            await runner.run_once()
            return bool(
                await self.pool.fetchval(
                    "SELECT (SELECT max(xid::text::numeric) FROM syncline.events)"
                    " <= (SELECT max(xid::text::numeric) FROM syncline.checkpoints WHERE state = 'live')"
                )
            )

        await until(seen)

    async def save(self, claim: Claim, rows: int, bookmark: object, destination: str = "warehouse") -> None:
        await self.streams.save_bookmark(
            self.worker, claim, commit=next(COMMITS), destination=destination, rows=rows, bookmark=bookmark
        )

    async def revise(self, claim: Claim, *fields: str, revision: int = 1) -> None:
        """From now on the table of this claim has these fields."""
        columns = tuple(TableColumn(field=field, field_type="text") for field in fields)
        schema = SchemaRevision(
            destination="lake", table=claim.collection, revision=revision, columns=columns, changes=()
        )
        await self.streams.revise_schema(self.worker, claim, schema)

    async def end(self, *claims: Claim, status: Status = Status.SUCCESS, line: int = 1) -> list[Ending]:
        """End the attempts, with the number `line` in their logs; returns those that were refused."""
        return await self.queue.end_attempts(self.worker, [ending(claim, status, line=line) for claim in claims])

    async def live(self, collection: str, status: Status = Status.SUCCESS, *, rows: int = 10) -> UUID:
        """One task from beginning to end."""
        task = await self.schedule(collection)
        (claim,) = [claim for claim in await self.claim() if claim.task == task]
        await self.save(claim, rows, {"id": rows})
        assert await self.end(claim, status=status) == []
        return task

    async def history(self) -> None:
        """A bit of everything, some of it still under way."""
        for status in (Status.SUCCESS, Status.FAILED, Status.FAILED, Status.CANCELED):
            await self.live("orders", status)
        await self.live("users")
        await self.live("items", Status.FAILED)
        (retried,) = [c for c in await self._claimed("items") if c.collection == "items"]
        await self.revise(retried, "id")
        await self.end(retried, status=Status.SCHEDULED)
        (running,) = await self._claimed("orders")
        await self.revise(running, "id")
        await self.revise(running, "id", "total", revision=2)
        await self.save(running, 7, {"id": 7})
        await self.save(running, 3, None, destination="lake")
        await self.queue.cancel(running.task)
        await self.schedule("users")
        canceled = await self.schedule("visits")
        await self.queue.cancel(canceled)

    async def _claimed(self, collection: str) -> list[Claim]:
        task = await self.schedule(collection)
        return [claim for claim in await self.claim() if claim.task == task]


def ending(claim: Claim, status: Status, *, line: int = 1) -> Ending:
    return Ending(
        claim=claim,
        type=TYPES[status],
        status=status,
        line=line,
        error=None if status is Status.SUCCESS else "it did not work",
        delay=timedelta(hours=1),
    )


@asynccontextmanager
async def running_service(url: str, *, size: int = 6) -> AsyncIterator[Service]:
    async with open_pool(DatabaseAddress.of(url), name="test", size=size) as pool:
        worker = await Leases(pool).register(host="here", pid=1, release="0", slots=16, length=timedelta(hours=1))
        yield Service(pool, TaskQueue(pool), AttemptStreams(pool), worker)
