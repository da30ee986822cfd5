"""Rebuilds projections from the events while the service runs.

All that are asked for at once are made in one reading of the events, in two steps. First all streams are read, batch
after batch, while appends go on: a task that has ended stays as it is, so its rows can be put right at once. Then the
queue stands still for a moment, and the tasks that were active, or have moved since, are read once more. Of an
asynchronous projection a new generation grows beside the live one, catches up with it and takes its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, SynclineError
from app.projections.asynchronous import ASYNCHRONOUS
from app.projections.collections import Collections
from app.projections.runner import apply_next
from app.projections.survey import Survey
from app.store import projections as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.projections.histories import History
    from app.projections.projection import AsyncProjection
    from app.store.database import Connection, Pool

# Written together with the events.
SYNCHRONOUS: Final = ("tasks", "task_queue", "collection_status", "bookmarks")
PROJECTIONS: Final = (*SYNCHRONOUS, *(projection.name for projection in ASYNCHRONOUS))
ALL: Final = "all"


async def rebuild(pool: Pool, name: str, *, asynchronous: Sequence[AsyncProjection] = ASYNCHRONOUS) -> int:
    """Fold all events anew into a projection; the service may go on meanwhile. Returns how many rows it has.

    Raises:
        ConfigurationError: no projection has this name.
        IllegalTransitionError: the events themselves are no legal history; nothing can be folded from them.
    """
    wanted = [projection for projection in asynchronous if projection.name == name]
    if name not in SYNCHRONOUS and not wanted:
        valid = ", ".join((*SYNCHRONOUS, *(projection.name for projection in asynchronous), ALL))
        raise ConfigurationError(f"unknown projection '{name}'; choose one of {valid}")
    return (await _rebuild(pool, {name} & {*SYNCHRONOUS}, wanted))[name]


async def rebuild_all(pool: Pool, *, asynchronous: Sequence[AsyncProjection] = ASYNCHRONOUS) -> dict[str, int]:
    """The same for all of them in one reading of the events. Returns how many rows each has."""
    return await _rebuild(pool, {*SYNCHRONOUS}, asynchronous)


async def _rebuild(pool: Pool, names: set[str], asynchronous: Sequence[AsyncProjection]) -> dict[str, int]:
    counts = None
    while counts is None:
        counts = await _rebuild_once(pool, names, asynchronous)
    return counts


async def _rebuild_once(pool: Pool, names: set[str], asynchronous: Sequence[AsyncProjection]) -> dict[str, int] | None:
    """The same, unless events were retired meanwhile: some were read and are gone, and collections hang on them.

    `names` are those of the synchronous projections that are wanted.
    """
    begun = await store.get_retention(pool)
    generations = {projection.name: await _begin_generation(pool, projection) for projection in asynchronous}
    survey = Survey(
        tasks="tasks" in names,
        generations=generations,
        collections=(collections := Collections() if names - {"tasks"} else None),
        since=await store.get_horizon(pool),
    )
    await survey.read(pool)
    counts: dict[str, int] = {}
    if names:
        async with store.transaction(pool) as connection:
            await store.stop_the_queue(connection)
            await store.hold_events(connection)
            if collections is not None:
                if await store.get_retention(connection) != begun:
                    return None
                collections.retired = await store.list_retired_failures(connection)
            rest = await survey.rest(connection)
            if "tasks" in names:
                await store.replace_tasks(connection, [history.tasks_row() for history in rest])
            if collections is not None:
                counts |= await _replace_rows_of_collections(connection, names, collections)
    if "tasks" in names:
        counts["tasks"] = await store.count_tasks(pool)
    for projection in asynchronous:
        reached = survey.last_transaction(projection.name)
        counts[projection.name] = await _finish_generation(pool, projection, generations[projection.name], reached)
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
        counts["bookmarks"] = await store.replace_bookmarks(connection, collections.saving_events())
    return counts


async def _replace_task_queue(connection: Connection, active: list[History]) -> int:
    newest = {history.key: history for history in sorted(active, key=lambda history: history.order)}
    displaced = [history.task.task for history in active if newest[history.key] is not history]
    if displaced:
        await store.cancel_displaced(connection, displaced, "the queue had lost it, and a newer task is active")
    await store.replace_all(connection, "task_queue", [history.queue_row() for history in newest.values()])
    return len(newest)


async def _begin_generation(pool: Pool, projection: AsyncProjection) -> int:
    async with store.transaction(pool) as connection:
        return await store.begin_generation(connection, projection.name)


async def _finish_generation(pool: Pool, projection: AsyncProjection, generation: int, reached: int) -> int:
    """Add what came after transaction `reached`, let reports read the generation: returns how many rows it has."""
    async with store.transaction(pool) as connection:
        await _hold_checkpoint(connection, projection, generation)
        await store.move_checkpoint(connection, projection.name, generation, reached)
    events = 1
    while events:
        async with store.transaction(pool) as connection:
            held = await _hold_checkpoint(connection, projection, generation)
            _, events = await apply_next(connection, projection, generation, held)
    async with store.transaction(pool) as connection:
        await _overtake(connection, projection, generation)
        await _keep_sealed_days(connection, projection, generation)
        await store.go_live(connection, projection.name, generation)
    async with store.transaction(pool) as connection:
        return await projection.sweep(connection, generation)


async def _overtake(connection: Connection, projection: AsyncProjection, generation: int) -> None:
    """Bring the new generation up to the live one, which stands still meanwhile: no report goes back in time."""
    live = await store.get_live_checkpoint(connection, projection.name)
    goal = await store.hold_checkpoint(connection, projection.name, live[0]) if live else None
    reached, events = await _hold_checkpoint(connection, projection, generation), 1
    while events and reached < (goal or 0):
        reached, events = await apply_next(connection, projection, generation, reached)


async def _keep_sealed_days(connection: Connection, projection: AsyncProjection, generation: int) -> None:
    """Days whose events were retired stay as they are. The live checkpoint is held: retention waits meanwhile."""
    if live := await store.get_live_checkpoint(connection, projection.name):
        sealed_before = (await store.get_retention(connection)).sealed_before
        await projection.keep_sealed(connection, generation, live[0], sealed_before)


async def _hold_checkpoint(connection: Connection, projection: AsyncProjection, generation: int) -> int:
    checkpoint = await store.hold_checkpoint(connection, projection.name, generation)
    if checkpoint is None:
        raise SynclineError(f"another rebuild of {projection.name} has started, so this one stopped")
    return checkpoint
