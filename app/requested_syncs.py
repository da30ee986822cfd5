"""Makes tasks of the requests that others have written into the database with `syncline.request_sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import ConfigurationError, UnknownCollectionError, UnknownSourceError
from app.task_requests import sync_task

if TYPE_CHECKING:
    from app.config.watch import CatalogueWatcher
    from app.store.queue import TaskQueue
    from app.store.sync_requests import HeldRequests, SyncRequest, SyncRequests

_IDLE_SECONDS: Final = 4.0
_AGAIN_SECONDS: Final = 1.0

_logger = structlog.get_logger("syncline.worker")


class RequestedSyncs:
    """Every worker looks; row locks distribute the requests.

    A request becomes a task like one over HTTP with `again`: what the caller has written may come too late for a task
    that runs. If the worker dies between the task and the end of the request, the request is met once more, and then
    finds that task.
    """

    def __init__(self, requests: SyncRequests, queue: TaskQueue, watcher: CatalogueWatcher) -> None:
        self._requests = requests
        self._queue = queue
        self._watcher = watcher

    async def step(self) -> float:
        """Make tasks of what is there; the seconds until the next look."""
        if not await self._requests.are_there():
            return _IDLE_SECONDS
        async with self._requests.hold() as held:
            met = [request for request in held.requests if await self._meet(request, held)]
            await held.drop(met)
        return 0 if met else _AGAIN_SECONDS

    async def _meet(self, request: SyncRequest, held: HeldRequests) -> bool:
        """Whether the request has become a task. What this catalogue does not know is left to other workers first."""
        catalogue = self._watcher.current
        try:
            new = sync_task(catalogue, request.source, request.collection, cause=request.cause)
        except (UnknownSourceError, UnknownCollectionError) as unknown:
            if request.age > catalogue.server.unknown_source_patience:
                await self._refuse(request, unknown, held)
            return False
        await self._queue.schedule(new, again=True)
        return True

    async def _refuse(self, request: SyncRequest, why: ConfigurationError, held: HeldRequests) -> None:
        await held.refuse(request, str(why))
        _logger.error("request.refused", requested_by=request.requested_by, error=str(why))
