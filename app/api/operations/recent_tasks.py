"""The newest tasks of all sources together."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from app.api.documents.fields import Error, drop_none
from app.api.documents.tasks import RecentTaskList, task_document
from app.api.http.answers import JsonAnswer
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, SOURCE, STATUSES, Parameter, count_parameter, time_parameter
from app.domain.api_token import TokenScope
from app.store.queries import PAGE
from app.store.recent_tasks import AFTER_ALL_TASKS, EPOCH, RecentTasks, TaskKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

TASK_KEY_PATTERN: Final = r"^[0-9]{1,16}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""What `read_task_key` reads, as JSON Schema has it."""
_TASK_KEY: Final = re.compile(TASK_KEY_PATTERN)
_USUAL_LIMIT: Final = 100


def read_task_key(text: str) -> TaskKey:
    """A task in the order of their creation, as `task_key_text` writes it.

    Raises:
        ValueError: it is not one.
    """
    if not _TASK_KEY.fullmatch(text):
        raise ValueError("not a key")
    at, _, task = text.partition("_")
    return TaskKey(EPOCH + timedelta(microseconds=int(at)), UUID(task))


def task_key_text(key: TaskKey) -> str:
    """A task in the order of their creation, as clients send it back."""
    return f"{(key.created_at - EPOCH) // timedelta(microseconds=1)}_{key.task}"


SINCE: Final = time_parameter("since", "Only tasks that were created since then.")
BEFORE: Final = Parameter(
    "before",
    "Only tasks created before this one: the `next` of the page before.",
    "the `next` of a page",
    {"type": "string", "pattern": TASK_KEY_PATTERN},
    read_task_key,
)
NEWEST: Final = count_parameter("limit", "How many tasks to return at most.", most=PAGE, default=_USUAL_LIMIT)


class Recent(Endpoint):
    """`/tasks/recent`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="listRecentTasks",
            scope=TokenScope.READ,
            summary="List the newest tasks, newest first: of all sources, of one, or of a collection",
            optional=(SOURCE, COLLECTION, STATUSES, SINCE, BEFORE, NEWEST),
            answers={200: RecentTaskList, 400: Error},
        )
    }

    async def get(self, request: Request) -> Response:
        limit = NEWEST.optional(request) or _USUAL_LIMIT
        wanted = RecentTasks(
            since=SINCE.optional(request) or EPOCH,
            before=BEFORE.optional(request) or AFTER_ALL_TASKS,
            source=SOURCE.optional(request),
            collection=COLLECTION.optional(request),
            statuses=STATUSES.optional(request),
        )
        rows = await self.services.reader.list_recent(wanted, limit)
        last = TaskKey(rows[-1]["created_at"], rows[-1]["task"]) if len(rows) == limit else None
        return JsonAnswer(drop_none(tasks=[*map(task_document, rows)], next=last and task_key_text(last)))
