"""Tasks that the API and the command line request: to sync a collection, or to reload an interval of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from app.connectors.kinds import READ_INTERVALS, no_intervals_error
from app.domain.cause import NO_CAUSE
from app.domain.claim import NewTask
from app.domain.errors import CollectionBusyError, SynclineError
from app.domain.priority import PriorityClass
from app.domain.task import TERMINAL, Status, task_id
from app.store.notify import Notifier
from app.store.queue import TaskQueue
from app.store.reads import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from app.config.catalogue import Catalogue
    from app.domain.cause import Cause
    from app.domain.interval import Interval
    from app.store.database import Pool
    from app.store.reads import Row

_POLL_SECONDS: Final = 1.0


def sync_task(catalogue: Catalogue, source_id: str, collection_id: str, cause: Cause = NO_CAUSE) -> NewTask:
    """The task that syncs a collection.

    Raises:
        UnknownSourceError, UnknownCollectionError: the catalogue does not have the collection.
    """
    source, collection = catalogue.find(source_id, collection_id)
    return NewTask(
        source=source.id,
        collection=collection.name,
        source_type=source.type,
        trigger="api",
        priority_class=PriorityClass.API,
        max_attempts=collection.max_attempts,
        pool=source.pool,
        cause=cause,
    )


def backfill_task(
    catalogue: Catalogue, source_id: str, collection_id: str, interval: Interval, cause: Cause = NO_CAUSE
) -> NewTask:
    """The task that reloads `interval`.

    Raises:
        ConfigurationError: the catalogue does not have the collection, or its source cannot read intervals.
    """
    source, collection = catalogue.find(source_id, collection_id)
    if source.type not in READ_INTERVALS:
        raise no_intervals_error(source.type)
    return NewTask(
        source=source.id,
        collection=collection.name,
        source_type=source.type,
        trigger="backfill",
        priority_class=PriorityClass.LOW,
        max_attempts=collection.max_attempts,
        pool=source.pool,
        backfill=str(interval),
        cause=cause,
    )


async def request_backfill(queue: TaskQueue, reader: Reader, new: NewTask) -> tuple[UUID, bool]:
    """Request a backfill: (its task, whether that is new). An active task for the same interval is returned as it is.

    Raises:
        CollectionBusyError: another task of the collection is active.
    """
    task, is_new = await queue.schedule(new)
    if not is_new:
        row = await reader.get_task(task)
        if row is None or row["backfill"] != new.backfill:
            raise CollectionBusyError(task_id(new.source, new.collection, task))
    return task, is_new


async def request_backfills(pool: Pool, tasks: Sequence[NewTask], *, report: Callable[[str], None]) -> None:
    """Request the tasks and report their ids.

    Raises:
        CollectionBusyError: the collection has another active task.
    """
    reader, notifier = Reader(pool), Notifier(pool)
    try:
        for new in tasks:
            task, _ = await request_backfill(TaskQueue(pool, notifier=notifier), reader, new)
            report(_id(new, task))
    finally:
        await notifier.aclose()


async def run_backfills(pool: Pool, tasks: Sequence[NewTask], *, report: Callable[[str], None]) -> None:
    """Run the tasks one after the other, each when the collection is free and no scheduled run of it is due.

    Raises:
        SynclineError: one did not succeed; those after it were not requested.
    """
    reader, notifier = Reader(pool), Notifier(pool)
    queue = TaskQueue(pool, notifier=notifier)
    try:
        for new in tasks:
            task = await _request_in_turn(queue, reader, new, report=report)
            report(f"{_id(new, task)}: {new.backfill}")
            row = await _wait_for_end(reader, task)
            if row["status"] != Status.SUCCESS:
                why = f": {row['error']}" if row["error"] else ""
                raise SynclineError(f"the backfill of {new.backfill} ended as {row['status']}{why}")
            report(f"{_id(new, task)}: {row['rows']} rows")
    finally:
        await notifier.aclose()


async def _request_in_turn(queue: TaskQueue, reader: Reader, new: NewTask, *, report: Callable[[str], None]) -> UUID:
    reported = ""
    while True:
        if await reader.has_due_fire_time(new.source, new.collection):
            why = "a scheduled run of the collection is due"
        else:
            try:
                task, _ = await request_backfill(queue, reader, new)
            except CollectionBusyError as busy:
                why = f"task {busy.task_id} is active"
            else:
                return task
        if why != reported:
            report(f"{why}; waiting for it")
            reported = why
        await asyncio.sleep(_POLL_SECONDS)


async def _wait_for_end(reader: Reader, task: UUID) -> Row:
    while True:
        row = await reader.get_task(task)
        if row is None:
            raise SynclineError(f"task {task} no longer exists")
        if row["status"] in TERMINAL:
            return row
        await asyncio.sleep(_POLL_SECONDS)


def _id(new: NewTask, task: UUID) -> str:
    return task_id(new.source, new.collection, task)
