"""Backfills: a task that loads an interval of one collection once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.api.documents import BackfillRequest, Error, ScheduledTask
from app.api.limits import read_object
from app.api.operation import Endpoint, Operation
from app.api.parameters import COLLECTION, FROM, SOURCE, TO
from app.api.tasks import scheduled_answer
from app.connectors.intervals import READ_INTERVALS, not_by_intervals
from app.domain.api_token import TokenScope
from app.domain.errors import CollectionBusyError
from app.domain.interval import Interval
from app.domain.priority import PriorityClass
from app.domain.task import task_id
from app.store.queue import NewTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from app.config.catalogue import Catalogue
    from app.store.queue import TaskQueue
    from app.store.reads import Reader


class Backfill(Endpoint):
    """`/sources/backfill`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="backfill",
            scope=TokenScope.RUN,
            summary="Ask for a task that loads an interval once more: 201 if new, 200 if active, 409 beside another",
            body=BackfillRequest,
            answers={201: ScheduledTask, 200: ScheduledTask, 400: Error, 404: Error, 409: Error, 413: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        source, collection = SOURCE.required_in(body), COLLECTION.required_in(body)
        start, end = FROM.required_in(body), TO.required_in(body)
        new = backfill_task(services.catalogue(), source, collection, Interval.between(start, end))
        task, is_new = await ask_for_backfill(services.queue, services.reader, new)
        return scheduled_answer(new, task, is_new=is_new)


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
