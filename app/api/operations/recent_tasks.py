"""The newest tasks of all sources together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.api.documents.fields import Error, drop_none
from app.api.documents.tasks import RecentTaskList, task_document
from app.api.http.answers import JsonAnswer
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import BEFORE, COLLECTION, NEWEST, SINCE, SOURCE, STATUSES, USUAL_NEWEST, task_key_text
from app.domain.api_token import TokenScope
from app.store.recent_tasks import AFTER_ALL_TASKS, EPOCH, RecentTasks, TaskKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response


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
        limit = NEWEST.optional(request) or USUAL_NEWEST
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
