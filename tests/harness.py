"""Workers in the test's own process, and waiting for what becomes true in the database."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from app.config.watch import CatalogueWatcher
from app.domain.claim import Claim, Ending, NewTask, NumberedLine
from app.domain.events import TASK_SUCCEEDED, Event
from app.domain.pool import DEFAULT_POOL
from app.domain.task import Status, Task, fold
from app.execution.options import WorkerOptions
from app.execution.rescuer import Rescuer
from app.execution.worker import Worker
from app.loops import repeat
from app.store.address import DatabaseAddress
from app.store.database import connect, open_pool
from app.store.leases import Leases
from app.store.notify import Notifier, listen
from app.store.queue import TaskQueue
from app.store.streams import AttemptStreams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path
    from uuid import UUID

    import asyncpg

    from app.store.database import Pool

Found = TypeVar("Found")

FOREVER = timedelta(hours=1)
# For what comes at once on a machine that has nothing else to do.
PATIENCE_SECONDS = 60.0
# A rescuer of workers with this lease looks twice a second.
_SHORT = timedelta(seconds=2)
_COLUMNS = "task, version, type, at, status, attempt, worker, data, v, line"


async def until(condition: Callable[[], Awaitable[Found | None]], *, seconds: float = PATIENCE_SECONDS) -> Found:
    """The first true answer; a condition that stays false for `seconds` fails the test."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (found := await condition()):
        if asyncio.get_running_loop().time() >= deadline:
            raise AssertionError(f"not within {seconds:g} seconds: {getattr(condition, '__qualname__', condition)}")
        await asyncio.sleep(0.01)
    return found


@asynccontextmanager
async def opened(url: str, *, size: int = 8) -> AsyncIterator[Pool]:
    """The pool as the processes open it."""
    async with open_pool(DatabaseAddress.of(url), name="test", size=size) as pool:
        yield pool


class Store:
    """The store as a test uses it: short names for what every test does, and a look at everything it keeps."""

    def __init__(self, pool: Pool, admin: asyncpg.Connection[asyncpg.Record]) -> None:
        self.pool = pool
        self.admin = admin
        self.queue = TaskQueue(pool)
        self.streams = AttemptStreams(pool)
        self.leases = Leases(pool)

    async def worker(self, *, lease: timedelta = FOREVER, pools: Sequence[str] = (DEFAULT_POOL,)) -> UUID:
        return await self.leases.register(host="here", pid=1, release="1", slots=8, length=lease, pools=pools)

    async def schedule(self, collection: str = "c", source: str = "s", **given: Any) -> UUID:
        task, new = await self.queue.schedule(a_task(collection, source, **given))
        assert new
        await self.notify()
        return task

    async def notify(self) -> None:
        """What the API and the scheduler send after they have changed the queue."""
        await self.pool.execute("SELECT pg_notify('syncline', '')")

    async def claim(self, worker: UUID) -> Claim:
        [claim] = await self.queue.claim(worker, 1)
        return claim

    async def claimed(self, worker: UUID, collection: str = "c", **given: Any) -> Claim:
        await self.schedule(collection, **given)
        return await self.claim(worker)

    async def end(self, worker: UUID, claim: Claim, **given: Any) -> bool:
        """Whether the ending was accepted."""
        return not await self.queue.end_attempts(worker, [ending(claim, **given)])

    async def events(self, task: UUID) -> list[Event]:
        rows = await self.pool.fetch(
            f"SELECT {_COLUMNS} FROM syncline.events WHERE task = $1 ORDER BY version",
            task,
        )
        return [Event(**row) for row in rows]

    async def types(self, task: UUID) -> list[str]:
        return [event.type for event in await self.events(task)]

    async def folded(self, task: UUID) -> Task:
        found = fold(await self.events(task))
        assert found is not None
        return found

    async def readable(self) -> None:
        """Wait until the feed shows every event: transactions of others on the same server hold its horizon back."""

        async def is_shown() -> bool:
            return bool(
                await self.pool.fetchval(
                    "SELECT coalesce((SELECT max(xid) FROM syncline.events)"
                    " < syncline.position(pg_snapshot_xmin(pg_current_snapshot())), true)"
                )
            )

        await until(is_shown, seconds=4 * PATIENCE_SECONDS)

    async def status(self, task: UUID) -> str:
        status: str = await self.pool.fetchval("SELECT status FROM syncline.all_tasks WHERE task = $1", task)
        return status

    async def log(self, task: UUID) -> list[asyncpg.Record]:
        return await self.pool.fetch(
            "SELECT attempt, line, at, level, message FROM syncline.log_lines WHERE task = $1 ORDER BY attempt, line",
            task,
        )

    async def messages(self, task: UUID) -> list[str]:
        """The log without the task's id, which stands before every line."""
        return [row["message"].split("] ", 1)[-1] for row in await self.log(task)]

    async def forget_claim(self, task: UUID) -> None:
        """Lose what came after the task was asked for, as a standby that is promoted lacks the last commits."""
        async with self.admin.transaction():
            await self.admin.execute("SET LOCAL session_replication_role = replica")
            await self.admin.execute("DELETE FROM syncline.events WHERE task = $1 AND version > 1", task)
            await self.admin.execute("DELETE FROM syncline.log_events WHERE task = $1", task)
            await self.admin.execute("DELETE FROM syncline.bookmarks WHERE task = $1", task)
            await self.admin.execute("DELETE FROM syncline.tasks WHERE task = $1", task)
            await self.admin.execute(
                "UPDATE syncline.collections SET status = 'SCHEDULED', attempt = 0, claim = 0, rows = 0,"
                " started_at = NULL, version = 1, worker = NULL WHERE task = $1",
                task,
            )

    async def everything(self) -> str:
        """Every row of every table, so that a test can say that nothing at all has changed."""
        tables = (
            *("events", "log_events", "collections", "tasks", "bookmarks", "table_schemas"),
            *("fire_times", "renewed_configs", "catalogues"),
        )
        rows = {table: await self.pool.fetch(f"SELECT t::text FROM syncline.{table} t ORDER BY 1") for table in tables}
        return json.dumps({table: [row[0] for row in found] for table, found in rows.items()})

    async def move_clock(self, offset: str) -> None:
        """The database's clock is that far ahead, for all connections from now on."""
        name = await self.admin.fetchval("SELECT current_database()")
        await self.admin.execute(f"ALTER DATABASE {name} SET syncline.clock_offset = '{offset}'")

    async def is_waiting(self, what: str) -> bool:
        """Whether a statement that contains `what` waits for a lock."""
        return bool(
            await self.admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
                "AND query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()",
                what,
            )
        )

    async def ended(self, task: UUID, *, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait for the task's end: its status."""

        async def status_at_the_end() -> str | None:
            status = await self.status(task)
            return None if status in {"SCHEDULED", "RUNNING"} else status

        return await until(status_at_the_end, seconds=seconds)

    async def running(self, task: UUID, *, attempt: int = 1) -> None:
        """Wait for an attempt's beginning."""

        async def runs() -> bool:
            return bool(
                await self.pool.fetchval(
                    "SELECT true FROM syncline.all_tasks WHERE task = $1 AND status = 'RUNNING' AND attempt = $2",
                    task,
                    attempt,
                )
            )

        await until(runs)

    async def logged(self, task: UUID, text: str, *, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait for a log line with this text in it: the message."""

        async def line() -> str | None:
            return next((message for message in await self.messages(task) if text in message), None)

        return await until(line, seconds=seconds)


@asynccontextmanager
async def opened_store(url: str, *, size: int = 8) -> AsyncIterator[Store]:
    admin = await connect(url)
    try:
        async with opened(url, size=size) as pool:
            yield Store(pool, admin)
    finally:
        await admin.close()


def a_task(collection: str = "c", source: str = "s", **given: Any) -> NewTask:
    defaults: dict[str, Any] = {"source_type": "synthetic", "trigger": "api", "priority_class": 300, "max_attempts": 3}
    return NewTask(source=source, collection=collection, **(defaults | given))


def ending(
    claim: Claim,
    type_: str = TASK_SUCCEEDED,
    status: Status = Status.SUCCESS,
    *,
    line: int = 1_000,
    before: Sequence[str] = (),
    **given: Any,
) -> Ending:
    """An ending with the number `line` in the log, and with lines `before` it."""
    numbers = range(line - len(before), line)
    lines = [NumberedLine(number, time.monotonic(), "info", text) for number, text in zip(numbers, before, strict=True)]
    return Ending(claim=claim, type=type_, status=status, line=line, lines=lines, **given)


def canceled(claim: Claim) -> Ending:
    return ending(claim, "TaskCanceled", Status.CANCELED)


def write_config(
    path: Path, sources: dict[str, Any], destinations: dict[str, Any] | None = None, **server: Any
) -> Path:
    """A configuration file with these sources; the destination `nowhere` keeps nothing."""
    document = {
        "server": {"admin_token": "token-of-the-tests"} | server,
        "sources": sources,
        "destinations": {"nowhere": {"type": "none"}} | (destinations or {}),
    }
    path.write_text(yaml.safe_dump(document))
    return path


def synthetic(**collections: dict[str, Any]) -> dict[str, Any]:
    """A source that is made up, with these collections and their parameters."""
    return {
        "type": "synthetic",
        "destinations": ["nowhere"],
        "collections": [{"name": name, "parameters": parameters} for name, parameters in collections.items()],
    }


@dataclass
class RunningWorker:
    """A worker that runs in this process, and the means to stop it."""

    worker: Worker
    watcher: CatalogueWatcher
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    run: asyncio.Task[None] | None = None

    async def stopped(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Stop it as SIGTERM does, and wait for its end."""
        self.stop.set()
        await self.over(seconds=seconds)

    async def over(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        assert self.run is not None
        async with asyncio.timeout(seconds):
            await asyncio.shield(self.run)

    async def registered(self) -> UUID:
        async def its_id() -> UUID | None:
            return self.worker.id

        return await until(its_id)


@asynccontextmanager
async def running_worker(
    url: str,
    config: Path,
    *,
    slots: int = 4,
    lease: timedelta = timedelta(seconds=30),
    drain_seconds: float = 10,
    rescue: bool = True,
    pools: tuple[str, ...] = (DEFAULT_POOL,),
) -> AsyncIterator[RunningWorker]:
    """A worker with its own connections, listening and rescuing as the process does; drained in a hurry at the end."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(opened(url))
        watcher = CatalogueWatcher(config, {})
        await watcher.refresh()
        data_dir = config.parent / "data"
        options = WorkerOptions(slots, lease, drain_seconds, data_dir=data_dir, release="test", pools=pools)
        notifier = Notifier(pool)
        stack.push_async_callback(notifier.aclose)
        running = RunningWorker(Worker(pool, Leases(pool), watcher, options, notifier), watcher)
        beside = [asyncio.create_task(listen(url, running.worker.wake))]
        if rescue:
            beside.append(
                asyncio.create_task(repeat("rescuer", Rescuer(pool, notifier, _SHORT).step, stop=running.stop))
            )
        running.run = asyncio.create_task(running.worker.run(running.stop, running.hurry))
        try:
            yield running
        finally:
            running.stop.set()
            running.hurry.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(running.run, return_exceptions=True)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


def now() -> datetime:
    return datetime.now(UTC)
