"""Rebuilds projections from the events while the service runs.

All that are asked for at once are made in one reading of the events, in two steps. First all streams are read, batch
after batch, while appends go on: a task that has ended stays as it is, so its rows can be put right at once. Then the
queue stands still for a moment, and the tasks that were active, or have moved since, are read once more. The daily
statistics grow as a new generation beside the live one, catch up with it and take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, SynclineError
from app.projections.collections import Collections
from app.projections.daily import DAILY
from app.projections.runner import apply_next
from app.projections.survey import Survey
from app.store import projections as store

if TYPE_CHECKING:
    from app.projections.histories import History
    from app.store.database import Connection, Pool

PROJECTIONS: Final = ("tasks", "task_queue", "collection_status", "bookmarks", DAILY)
ALL: Final = "all"


async def rebuild(pool: Pool, name: str) -> int:
    """Fold all events anew into a projection; the service may go on meanwhile. Returns how many rows it has.

    Raises:
        ConfigurationError: no projection has this name.
        IllegalTransitionError: the events themselves are no legal history; nothing can be folded from them.
    """
    if name not in PROJECTIONS:
        raise ConfigurationError(f"projection '{name}' is unknown; valid are {', '.join((*PROJECTIONS, ALL))}")
    return (await _rebuild(pool, {name}))[name]


async def rebuild_all(pool: Pool) -> dict[str, int]:
    """The same for all of them in one reading of the events. Returns how many rows each has."""
    return await _rebuild(pool, set(PROJECTIONS))


async def _rebuild(pool: Pool, names: set[str]) -> dict[str, int]:
    counts = None
    while counts is None:
        counts = await _rebuild_once(pool, names)
    return counts


async def _rebuild_once(pool: Pool, names: set[str]) -> dict[str, int] | None:
    """The same, unless events were retired meanwhile: some were read and are gone, and collections hang on them."""
    begun = await store.retention(pool)
    generation = await _begin_generation(pool) if DAILY in names else None
    survey = Survey(
        tasks="tasks" in names,
        generation=generation,
        collections=(collections := Collections() if names - {"tasks", DAILY} else None),
        since=(since := await store.horizon(pool)),
    )
    await survey.read(pool)
    counts: dict[str, int] = {}
    if names - {DAILY}:
        async with store.transaction(pool) as connection:
            await store.stop_the_queue(connection)
            await store.hold_events(connection)
            if collections is not None:
                if await store.retention(connection) != begun:
                    return None
                collections.retired = await store.retired_failures(connection)
            rest = await survey.rest(connection)
            if "tasks" in names:
                await store.replace_tasks(connection, [history.tasks_row() for history in rest])
            if collections is not None:
                counts |= await _replace_rows_of_collections(connection, names, collections)
    if "tasks" in names:
        counts["tasks"] = await store.count_tasks(pool)
    if generation is not None:
        counts[DAILY] = await _finish_generation(pool, generation, since)
    return counts


async def _replace_rows_of_collections(
    connection: Connection, names: set[str], collections: Collections
) -> dict[str, int]:
    counts = {}
    if "task_queue" in names:
        counts["task_queue"] = await _replace_task_queue(connection, collections.active())
    if "collection_status" in names:
        rows = collections.status_rows()
        await store.replace_all(connection, "collection_status", rows)
        counts["collection_status"] = len(rows)
    if "bookmarks" in names:
        counts["bookmarks"] = await store.replace_bookmarks(connection, collections.saved())
    return counts


async def _replace_task_queue(connection: Connection, active: list[History]) -> int:
    newest = {history.key: history for history in sorted(active, key=lambda history: history.order)}
    displaced = [history.task.task for history in active if newest[history.key] is not history]
    if displaced:
        await store.cancel_displaced(connection, displaced, "the queue had lost it, and a newer task is active")
    await store.replace_all(connection, "task_queue", [history.queue_row() for history in newest.values()])
    return len(newest)


async def _begin_generation(pool: Pool) -> int:
    async with store.transaction(pool) as connection:
        return await store.begin_generation(connection, DAILY)


async def _finish_generation(pool: Pool, generation: int, since: int) -> int:
    """Add what has ended in transaction `since` and later, let reports read it: returns how many rows it has."""
    async with store.transaction(pool) as connection:
        await _held(connection, generation)
        await store.move_checkpoint(connection, DAILY, generation, since - 1)
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
