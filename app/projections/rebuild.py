"""Rebuilds projections from the events while the service runs.

The events are read once for all requested projections, in two steps. First all streams are read in batches, while
events are still appended; ended tasks do not change any more, so their rows can be corrected at once. Then the queue is
stopped for a moment, and tasks that were active or have changed since are read again. An asynchronous projection gets a
new generation, which catches up with the live one and then replaces it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.choices import unknown_name
from app.domain.errors import ConfigurationError, SynclineError
from app.projections.asynchronous import ASYNCHRONOUS
from app.projections.collections import Collections
from app.projections.histories import History
from app.projections.runner import apply_next
from app.projections.survey import Survey
from app.store import projections as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.projections.projection import AsyncProjection
    from app.store.database import Connection, Pool

# Updated in the same transaction as the events.
OF_TASKS: Final = ("tasks", "collections", "bookmarks", "table_schemas")
OF_FACTS: Final[tuple[store.OfFacts, ...]] = ("pauses", "resets")
SYNCHRONOUS: Final = (*OF_TASKS, *OF_FACTS)
PROJECTIONS: Final = (*SYNCHRONOUS, *(projection.name for projection in ASYNCHRONOUS))
ALL: Final = "all"


async def rebuild(pool: Pool, name: str, *, asynchronous: Sequence[AsyncProjection] = ASYNCHRONOUS) -> int:
    """Rebuild a projection from all events. Returns its number of rows.

    Raises:
        ConfigurationError: no projection has this name.
        IllegalTransitionError: the events of a task are not in a valid order, so they cannot be folded.
    """
    wanted = [projection for projection in asynchronous if projection.name == name]
    if name not in SYNCHRONOUS and not wanted:
        valid = (*SYNCHRONOUS, *(projection.name for projection in asynchronous), ALL)
        raise ConfigurationError(unknown_name("projection", name, valid))
    return (await _rebuild(pool, {name} & {*SYNCHRONOUS}, wanted))[name]


async def rebuild_all(pool: Pool, *, asynchronous: Sequence[AsyncProjection] = ASYNCHRONOUS) -> dict[str, int]:
    """Rebuild all projections, reading the events once. Returns the number of rows of each."""
    return await _rebuild(pool, {*SYNCHRONOUS}, asynchronous)


async def _rebuild(pool: Pool, names: set[str], asynchronous: Sequence[AsyncProjection]) -> dict[str, int]:
    # Bookmarks depend on the resets.
    of_facts = await _rebuild_from_facts(pool, [projection for projection in OF_FACTS if projection in names])
    counts = None
    while counts is None:
        counts = await _rebuild_once(pool, names & {*OF_TASKS}, asynchronous)
    return {**counts, **of_facts}


async def _rebuild_from_facts(pool: Pool, projections: Sequence[store.OfFacts]) -> dict[str, int]:
    if not projections:
        return {}
    async with store.transaction(pool) as connection:
        return await store.rebuild_from_facts(connection, projections)


async def _rebuild_once(pool: Pool, names: set[str], asynchronous: Sequence[AsyncProjection]) -> dict[str, int] | None:
    """Rebuild once; None if tasks were retired meanwhile, because collections and the rows of tasks depend on them.

    `names` are the synchronous projections of tasks to rebuild.
    """
    begun = await store.get_retention(pool)
    generations = {projection.name: await _begin_generation(pool, projection) for projection in asynchronous}
    survey = Survey(
        tasks="tasks" in names,
        asynchronous=[(projection, generations[projection.name]) for projection in asynchronous],
        collections=(collections := Collections() if names - {"tasks"} else None),
        since=await store.get_horizon(pool),
    )
    await survey.read(pool)
    counts: dict[str, int] = {}
    if names:
        async with store.transaction(pool) as connection:
            await store.stop_the_queue(connection)
            if "bookmarks" in names:
                await store.hold_facts(connection)
            await store.hold_events(connection)
            if await store.get_retention(connection) != begun:
                return None
            if collections is not None:
                collections.retired = await store.list_retired_failures(connection)
            rest = await survey.read_rest(connection)
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
    if "collections" in names:
        await _cancel_displaced(connection, collections)
        rows = collections.rows()
        await store.replace_all(connection, "collections", rows)
        counts["collections"] = len(rows)
    if "table_schemas" in names:
        rows = collections.schema_rows()
        await store.replace_all(connection, "table_schemas", rows)
        counts["table_schemas"] = len(rows)
    if "bookmarks" in names:
        counts["bookmarks"] = await store.replace_bookmarks(connection, collections.saving_events())
    return counts


async def _cancel_displaced(connection: Connection, collections: Collections) -> None:
    if displaced := collections.displaced():
        why = "the store had lost the row of its collection, and a newer task is active"
        await store.cancel_displaced(connection, displaced, why)
        canceled = [History.of(stream) for stream in await store.list_streams(connection, displaced)]
        await store.replace_tasks(connection, [history.tasks_row() for history in canceled])


async def _begin_generation(pool: Pool, projection: AsyncProjection) -> int:
    async with store.transaction(pool) as connection:
        return await store.begin_generation(connection, projection.name)


async def _finish_generation(pool: Pool, projection: AsyncProjection, generation: int, reached: int) -> int:
    """Apply the events after transaction `reached` and go live. Returns the generation's number of rows."""
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
    """Catch up with the live generation while it is locked, so that reports never go back in time."""
    live = await store.get_live_checkpoint(connection, projection.name)
    goal = await store.hold_checkpoint(connection, projection.name, live[0]) if live else None
    reached, events = await _hold_checkpoint(connection, projection, generation), 1
    while events and reached < (goal or 0):
        reached, events = await apply_next(connection, projection, generation, reached)


async def _keep_sealed_days(connection: Connection, projection: AsyncProjection, generation: int) -> None:
    """Keep the days whose events were retired. The live checkpoint is locked, so that retention waits meanwhile."""
    if live := await store.get_live_checkpoint(connection, projection.name):
        sealed_before = (await store.get_retention(connection)).sealed_before
        await projection.keep_sealed(connection, generation, live[0], sealed_before)


async def _hold_checkpoint(connection: Connection, projection: AsyncProjection, generation: int) -> int:
    checkpoint = await store.hold_checkpoint(connection, projection.name, generation)
    if checkpoint is None:
        raise SynclineError(f"another rebuild of {projection.name} has started, so this one stopped")
    return checkpoint
