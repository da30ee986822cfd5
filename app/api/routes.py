"""The endpoint of each path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from app.api.http.authentication import Authentication
from app.api.operations.backfills import Backfill
from app.api.operations.bookmarks import BookmarkList, SetBookmark
from app.api.operations.cluster import Cluster
from app.api.operations.connectors import AirbyteCatalog, AirbyteSpecification, AirbyteVersions, SingerCatalog
from app.api.operations.destinations import DestinationTest
from app.api.operations.events import Events
from app.api.operations.health import Liveness, OpenApi, Ping, Ready
from app.api.operations.pauses import Pause, Resume
from app.api.operations.recent_tasks import Recent
from app.api.operations.resets import ClearCache
from app.api.operations.sources import Discovery, Sources, SourceTest
from app.api.operations.statistics import Statistics
from app.api.operations.tasks import SingleTask, TaskCancel, TaskLogs, Tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from app.api.http.operation import Endpoint

BASE: Final = "/api/v1"

GUARDED: Final[Mapping[str, type[Endpoint]]] = {
    "/tasks": Tasks,
    # No task has this id: each ends with a UUID.
    "/tasks/recent": Recent,
    "/tasks/{task_id}": SingleTask,
    "/tasks/{task_id}/logs": TaskLogs,
    "/tasks/{task_id}/cancel": TaskCancel,
    "/events": Events,
    "/sources": Sources,
    "/sources/clear_cache": ClearCache,
    "/sources/test": SourceTest,
    "/sources/discover": Discovery,
    "/sources/backfill": Backfill,
    "/sources/pause": Pause,
    "/sources/resume": Resume,
    "/sources/bookmark": SetBookmark,
    "/sources/bookmarks": BookmarkList,
    "/destinations/test": DestinationTest,
    "/singer/{tap}/catalog": SingerCatalog,
    "/airbyte/{image}/catalog": AirbyteCatalog,
    "/airbyte/{image}/spec": AirbyteSpecification,
    "/airbyte/{image}/versions": AirbyteVersions,
    "/statistics/detailed": Statistics,
    "/cluster": Cluster,
}
OPEN: Final[Mapping[str, type[Endpoint]]] = {
    "/livez": Liveness,
    "/ping": Ping,
    "/readyz": Ready,
    "/openapi.json": OpenApi,
}


def make_routes() -> list[BaseRoute]:
    """All routes, in the order in which they are tried. Below `BASE`, unknown paths require a token as well."""
    guard = [Middleware(Authentication)]
    return [
        Mount(BASE, routes=[Route(path, endpoint) for path, endpoint in GUARDED.items()], middleware=guard),
        Route(BASE, _Nothing(), middleware=guard),
        *(Route(path, endpoint) for path, endpoint in OPEN.items()),
    ]


class _Nothing:
    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise HTTPException(404)
