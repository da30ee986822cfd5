"""Tasks: schedule one, list them, get one and its log, cancel one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from starlette.responses import Response

from app.api.documents.events import GoneError
from app.api.documents.fields import Done, Error
from app.api.documents.tasks import ScheduledTask, Task, TaskList, TaskLog, log_document, task_document
from app.api.http.answers import JsonAnswer, as_json, list_answer
from app.api.http.errors import unknown_task
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import (
    AFTER,
    AS_OF,
    COLLECTION_IF_ANY,
    END,
    LARGEST_LIMIT,
    NOTE,
    SOURCE,
    START,
    STATUS,
    Parameter,
    boolean_parameter,
    check_order,
    count_parameter,
    read_limit,
)
from app.domain.api_token import TokenScope
from app.domain.collection import ALL
from app.domain.errors import UnknownSourceError
from app.domain.task import task_id, uuid_in
from app.failpoints import fail_point
from app.store.log_search import BEFORE_ALL_LINES
from app.store.moments import END_OF_TIME, LATEST
from app.store.queries import PAGE
from app.store.reads import LogFilter
from app.store.task_lists import TaskFilter
from app.task_requests import sync_task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from starlette.requests import Request

    from app.api.http.services import Services
    from app.domain.claim import NewTask
    from app.store.moments import Moment
    from app.store.reads import Row

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _read_limit_or_none(text: str) -> int:
    """A count; -1, which Jitsu Classic takes for no limit, is 0.

    Raises:
        ValueError: not an integer from -1 to `LARGEST_LIMIT`.
    """
    return 0 if text == "-1" else read_limit(text)


AGAIN: Final = boolean_parameter(
    "again",
    "Whether one more task follows the active one if that has begun, or is a backfill. It is scheduled when that one "
    "ends, also if it fails or is canceled.",
)
LIMIT: Final = Parameter(
    "limit",
    "How many tasks to return per collection: the newest that match the other filters; 0 or -1 returns all.",
    f"an integer from -1 to {LARGEST_LIMIT}",
    {"type": "integer", "minimum": -1, "maximum": LARGEST_LIMIT, "default": 0},
    _read_limit_or_none,
)
LINES: Final = Parameter(
    "limit",
    "How many lines to return at most; 0 returns all.",
    f"an integer from 0 to {LARGEST_LIMIT}",
    {"type": "integer", "minimum": 0, "maximum": LARGEST_LIMIT, "default": 0},
    read_limit,
)
TAIL: Final = count_parameter("tail", "Only this many of the last lines; applied before `limit`.", most=PAGE)


class Tasks(Endpoint):
    """`/tasks`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="scheduleTask",
            scope=TokenScope.RUN,
            summary="Schedule a task: 201 if it is new, 200 if the collection already has an active one",
            required=(SOURCE, COLLECTION_IF_ANY),
            optional=(AGAIN, NOTE),
            answers={201: ScheduledTask, 200: ScheduledTask, 400: Error, 404: Error},
        ),
        "get": Operation(
            id="listTasks",
            scope=TokenScope.READ,
            summary="List the tasks of a source that were created in an interval, oldest first",
            required=(SOURCE, START, END),
            optional=(COLLECTION_IF_ANY, STATUS, LIMIT, AS_OF),
            answers={200: TaskList, 400: Error, 404: Error, 410: GoneError},
        ),
    }

    async def post(self, request: Request) -> Response:
        services = self.services
        catalogue = services.catalogue()
        source = catalogue.find_source(SOURCE.required(request))
        # Clients of Jitsu Classic send any value for sources that it reads as a whole.
        collection = ALL if source.names_no_collection else COLLECTION_IF_ANY.required(request)
        new = sync_task(catalogue, source.id, collection, self.cause(NOTE.optional(request)))
        task, is_new = await services.queue.schedule(new, again=AGAIN.optional(request) or False)
        return scheduled_answer(new, task, is_new=is_new)

    async def get(self, request: Request) -> Response:
        source, start, end = SOURCE.required(request), START.required(request), END.required(request)
        check_order(start, end)
        collection, as_of = COLLECTION_IF_ANY.optional(request), AS_OF.optional(request)
        if collection and self.services.catalogue().names_no_collection(source):
            collection = ALL
        wanted = TaskFilter(
            source=source,
            start=start,
            end=end,
            collection=collection,
            status=STATUS.optional(request),
            limit=LIMIT.optional(request) or 0,
            as_of=None if as_of is None else await self.services.reader.find_moment(as_of),
        )
        await _check_known(self.services, source)
        return await list_answer(request, "tasks", self.services.reader.page_tasks(wanted), task_document)


def scheduled_answer(new: NewTask, task: UUID, *, is_new: bool) -> Response:
    """The id of the new task, or of the one that was active already."""
    fail_point("task.scheduled")
    id_ = task_id(new.source, new.collection, task)
    if not is_new:
        return JsonAnswer({"task_id": id_})
    location = {"Location": f"/api/v1/tasks/{quote(id_)}"}
    return JsonAnswer({"task_id": id_}, status_code=HTTPStatus.CREATED, headers=location)


class SingleTask(Endpoint):
    """`/tasks/{task_id}`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="getTask",
            scope=TokenScope.READ,
            summary="Get a task; with If-None-Match, only if it has changed",
            optional=(AS_OF,),
            answers={200: Task, 304: None, 400: Error, 404: Error, 410: GoneError},
        )
    }

    async def get(self, request: Request) -> Response:
        as_of = AS_OF.optional(request)
        moment = LATEST if as_of is None else await self.services.reader.find_moment(as_of)
        row = await find_task(self.services, request.path_params["task_id"], moment)
        document = as_json(task_document(row))
        tag = f'"{hashlib.blake2b(document, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if _matches(request.headers.get("If-None-Match", ""), tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(document, headers=headers, media_type=JsonAnswer.media_type)


class TaskLogs(Endpoint):
    """`/tasks/{task_id}/logs`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="getTaskLogs",
            scope=TokenScope.READ,
            summary="Get the log of a task: all of it, or an interval, a page (`limit`, `after`) or its `tail`",
            optional=(START, END, AFTER, TAIL, LINES),
            answers={200: TaskLog, 400: Error, 404: Error},
        )
    }

    async def get(self, request: Request) -> Response:
        start, end = START.optional(request), END.optional(request)
        check_order(start, end)
        wanted = LogFilter(
            start=start or _EPOCH,
            end=end or END_OF_TIME,
            after=AFTER.optional(request) or BEFORE_ALL_LINES,
            tail=TAIL.optional(request),
            limit=LINES.optional(request) or 0,
        )
        row = await find_task(self.services, request.path_params["task_id"])
        return await list_answer(request, "logs", self.services.reader.page_log(row["task"], wanted), log_document)


class TaskCancel(Endpoint):
    """`/tasks/{task_id}/cancel`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="cancelTask",
            scope=TokenScope.RUN,
            summary="Cancel a task: a queued one ends at once, a running one within seconds; a finished one stays",
            optional=(NOTE,),
            answers={200: Done, 400: Error, 404: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, cause = self.services, self.cause(NOTE.optional(request))
        row = await find_task(services, request.path_params["task_id"])
        await services.queue.cancel(row["task"], cause)
        return JsonAnswer({"status": "ok"})


async def find_task(services: Services, given: str, moment: Moment = LATEST) -> Row:
    """The row of the task of this id, perhaps as it was.

    The UUID at the end identifies it, but the whole id must match: a bare UUID, or one after another collection's name,
    is unknown.

    Raises:
        RefusedError: 404.
    """
    try:
        task = uuid_in(given)
    except ValueError:
        raise unknown_task(given) from None
    reader = services.reader
    row = await (reader.get_task(task) if moment == LATEST else reader.get_task_as_of(task, moment))
    if row is None or task_id(row["source"], row["collection"], row["task"]) != given:
        raise unknown_task(given)
    return row


async def _check_known(services: Services, source: str) -> None:
    """A source is known if the catalogue has it, or if it ever had tasks.

    Raises:
        UnknownSourceError: it is not known.
    """
    catalogue = services.catalogue()
    if source in catalogue.sources or source in catalogue.rejected:
        return
    if not await services.reader.has_had_tasks(source):
        raise UnknownSourceError(source)


def _matches(condition: str, tag: str) -> bool:
    """Whether an If-None-Match header (RFC 9110 section 13.1.2) holds `tag`; weak comparison."""
    given = [one.strip().removeprefix("W/") for one in condition.split(",")]
    return tag in given or given == ["*"]
