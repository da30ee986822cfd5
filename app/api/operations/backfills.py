"""Backfills: tasks that load an interval of one collection again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.api.documents.fields import Error
from app.api.documents.tasks import BackfillRequest, ScheduledTask
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, FROM, NOTE, SOURCE, TO
from app.api.operations.tasks import scheduled_answer
from app.domain.api_token import TokenScope
from app.domain.interval import Interval
from app.task_requests import backfill_task, request_backfill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response


class Backfill(Endpoint):
    """`/sources/backfill`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="backfill",
            scope=TokenScope.RUN,
            summary="Schedule a task that loads an interval again: 201 if it is new, 200 if the same one is already "
            "active, 409 if the collection has another active task",
            body=BackfillRequest,
            answers={201: ScheduledTask, 200: ScheduledTask, 400: Error, 404: Error, 409: Error, 413: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        source, collection = SOURCE.required_in(body), COLLECTION.required_in(body)
        start, end = FROM.required_in(body), TO.required_in(body)
        interval, cause = Interval.between(start, end), self.cause(NOTE.optional_in(body))
        new = backfill_task(services.catalogue(), source, collection, interval, cause)
        task, is_new = await request_backfill(services.queue, services.reader, new)
        return scheduled_answer(new, task, is_new=is_new)
