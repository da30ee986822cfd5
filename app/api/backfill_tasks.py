"""Asking for a task that loads an interval of one collection once more, for the endpoint and for the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.intervals import READ_INTERVALS, not_by_intervals
from app.domain.errors import CollectionBusyError
from app.domain.priority import PriorityClass
from app.domain.task import task_id
from app.store.queue import NewTask

if TYPE_CHECKING:
    from uuid import UUID

    from app.config.catalogue import Catalogue
    from app.domain.interval import Interval
    from app.store.queue import TaskQueue
    from app.store.reads import Reader


def backfill_task(catalogue: Catalogue, source_id: str, collection_id: str, interval: Interval) -> NewTask:
    """What is to be asked for.

    Raises:
        ConfigurationError: the catalogue does not have the collection, or a source of its kind knows no intervals.
    """
    source, collection = catalogue.find(source_id, collection_id)
    if source.type not in READ_INTERVALS:
        raise not_by_intervals(source.type)
    return NewTask(
        source=source.id,
        collection=collection.name,
        source_type=source.type,
        trigger="backfill",
        priority_class=PriorityClass.LOW,
        max_attempts=collection.max_attempts,
        backfill=str(interval),
    )


async def ask_for_backfill(queue: TaskQueue, reader: Reader, new: NewTask) -> tuple[UUID, bool]:
    """(The task, whether it is new); the same interval is asked for once, however often.

    Raises:
        CollectionBusyError: another task of the collection is active.
    """
    task, is_new = await queue.schedule(new)
    if not is_new:
        row = await reader.task(task)
        if row is None or row["backfill"] != new.backfill:
            raise CollectionBusyError(task_id(new.source, new.collection, task))
    return task, is_new
