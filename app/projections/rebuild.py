"""Rebuilds a projection from the events while the service runs.

The inline ones in two steps. First all streams are read, batch after batch, while appends go on: a task that has ended
stays as it is, so its rows can be put right at once. Then the queue stands still for a moment, and the tasks that were
active, or have moved since, are read once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, SynclineError
from app.projections.collections import Collections
from app.projections.daily import DAILY
from app.projections.histories import History
from app.projections.runner import apply_next
from app.store import projections as store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from app.store.database import Connection, Pool


async def rebuild(pool: Pool, name: str) -> int:
    """Fold all events anew into a projection; the service may go on meanwhile. Returns how many rows it has.

    Raises:
        ConfigurationError: no projection has this name.
        IllegalTransitionError: the events themselves are no legal history; nothing can be folded from them.
    """
    if name not in _REBUILDS:
        raise ConfigurationError(f"projection '{name}' is unknown; valid are {', '.join(_REBUILDS)}")
    return await _REBUILDS[name](pool)


async def _rebuild_tasks(pool: Pool) -> int:
    async def put_right(histories: list[History]) -> None:
        async with store.transaction(pool) as connection:
            await store.replace_tasks(connection, [history.tasks_row() for history in histories])

    survey = _Survey()
    await survey.read(pool, put_right)
    async with store.transaction(pool) as connection:
        await store.stop_the_queue(connection)
        await store.replace_tasks(connection, [history.tasks_row() for history in await survey.rest(connection)])
    async with store.transaction(pool) as connection:
        return await store.drop_stray_tasks(connection)


async def _rebuild_task_queue(pool: Pool) -> int:
    async def put(connection: Connection, collections: Collections) -> int:
        newest = {history.key: history for history in sorted(collections.active(), key=lambda history: history.order)}
        displaced = [history.task.task for history in collections.active() if newest[history.key] is not history]
        if displaced:
            await store.cancel_displaced(connection, displaced, "the queue had lost it, and a newer task is active")
        await store.replace_all(connection, "task_queue", [history.queue_row() for history in newest.values()])
        return len(newest)

    return await _rebuild_collections(pool, put)


async def _rebuild_collection_status(pool: Pool) -> int:
    async def put(connection: Connection, collections: Collections) -> int:
        rows = collections.status_rows()
        await store.replace_all(connection, "collection_status", rows)
        return len(rows)

    return await _rebuild_collections(pool, put)


async def _rebuild_bookmarks(pool: Pool) -> int:
    async def put(connection: Connection, collections: Collections) -> int:
        return await store.replace_bookmarks(connection, collections.saved())

    return await _rebuild_collections(pool, put)


async def _rebuild_collections(pool: Pool, put: Callable[[Connection, Collections], Awaitable[int]]) -> int:
    rows = None
    while rows is None:
        rows = await _rebuild_collections_once(pool, put)
    return rows


async def _rebuild_collections_once(pool: Pool, put: Callable[[Connection, Collections], Awaitable[int]]) -> int | None:
    """The same, unless events were retired meanwhile: some were read and are gone, so that nothing may be put."""
    begun = await store.retention(pool)
    collections = Collections()

    async def take(histories: list[History]) -> None:
        for history in histories:
            collections.take(history)

    survey = _Survey()
    await survey.read(pool, take)
    async with store.transaction(pool) as connection:
        await store.stop_the_queue(connection)
        await store.hold_events(connection)
        if await store.retention(connection) != begun:
            return None
        collections.retired = await store.retired_failures(connection)
        await take(await survey.rest(connection))
        return await put(connection, collections)


class _Survey:
    """Every task's history, exactly once."""

    def __init__(self) -> None:
        self._since = 0
        self._recent: set[UUID] = set()
        self._active: set[UUID] = set()

    async def read(self, pool: Pool, take: Callable[[list[History]], Awaitable[None]]) -> None:
        """Take the tasks that have ended, while the service runs."""
        self._since = await store.horizon(pool)
        async for streams in store.stream_batches(pool):
            histories = [History.of(stream) for stream in streams]
            ended = [history for history in histories if history.ended]
            self._active.update(history.task.task for history in histories if not history.ended)
            self._recent.update(history.task.task for history in ended if history.xid >= self._since)
            await take(ended)

    async def rest(self, connection: Connection) -> list[History]:
        """What `read` has not taken: tasks that were active then, and new ones. The queue has to stand still."""
        new = await store.tasks_touched_since(connection, self._since) - self._recent
        return [History.of(stream) for stream in await store.streams_of(connection, new | self._active)]


async def _rebuild_daily(pool: Pool) -> int:
    async with store.transaction(pool) as connection:
        generation = await store.begin_generation(connection, DAILY)
    events = 1
    while events:
        async with store.transaction(pool) as connection:
            _, events = await apply_next(connection, generation, await _held(connection, generation))
    async with store.transaction(pool) as connection:
        await _overtake(connection, generation)
        await _keep_sealed_days(connection, generation)
        await store.go_live(connection, DAILY, generation)
    async with store.transaction(pool) as connection:
        return await store.sweep_daily_stats(connection, generation)


async def _overtake(connection: Connection, generation: int) -> None:
    """Bring the new generation up to the live one, which stands still meanwhile: no report goes back in time."""
    live = await store.live_checkpoint(connection, DAILY)
    goal = await store.hold_checkpoint(connection, DAILY, live[0]) if live else None
    reached, events = await _held(connection, generation), 1
    while events and reached < (goal or 0):
        reached, events = await apply_next(connection, generation, reached)


async def _keep_sealed_days(connection: Connection, generation: int) -> None:
    """Days whose events were retired stay as they are. The live checkpoint is held: retention waits meanwhile."""
    if live := await store.live_checkpoint(connection, DAILY):
        sealed_before = (await store.retention(connection)).sealed_before
        await store.keep_sealed_days(connection, generation, live[0], sealed_before)


async def _held(connection: Connection, generation: int) -> int:
    checkpoint = await store.hold_checkpoint(connection, DAILY, generation)
    if checkpoint is None:
        raise SynclineError(f"another rebuild of {DAILY} has begun and this one has given way to it")
    return checkpoint


_REBUILDS: Final[Mapping[str, Callable[[Pool], Awaitable[int]]]] = {
    "tasks": _rebuild_tasks,
    "task_queue": _rebuild_task_queue,
    "collection_status": _rebuild_collection_status,
    "bookmarks": _rebuild_bookmarks,
    DAILY: _rebuild_daily,
}
PROJECTIONS: Final = tuple(_REBUILDS)
