"""Makes tasks of the requests that others have written into the database with `syncline.request_sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import UnknownCollectionError, UnknownSourceError
from app.task_requests import sync_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config.watch import CatalogueWatcher
    from app.store.sync_requests import RequestedSync, SyncRequests

_IDLE_SECONDS: Final = 4.0
_AGAIN_SECONDS: Final = 1.0

_logger = structlog.get_logger("syncline.worker")


class RequestedSyncs:
    """Every worker looks; of several, one makes the task.

    It is a task like one over HTTP with `again`: what the caller has written may come too late for a task that runs.
    """

    def __init__(self, requests: SyncRequests, watcher: CatalogueWatcher, *, scheduled: Callable[[], None]) -> None:
        """`scheduled` is called when there are new tasks."""
        self._requests = requests
        self._watcher = watcher
        self._scheduled = scheduled

    async def step(self) -> float:
        """Make tasks of what is there; the seconds until the next look."""
        requested = await self._requests.list_collections()
        made = [await self._make_task(each) for each in requested]
        if any(made):
            self._scheduled()
        return _AGAIN_SECONDS if requested else _IDLE_SECONDS

    async def _make_task(self, requested: RequestedSync) -> bool:
        """Whether there is a task now. What this catalogue does not know is left to other workers first."""
        catalogue = self._watcher.current
        try:
            new = sync_task(catalogue, requested.source, requested.collection, requested.cause)
        except (UnknownSourceError, UnknownCollectionError) as unknown:
            is_given_up = requested.age > catalogue.server.unknown_source_patience
            if is_given_up and await self._requests.refuse(requested, str(unknown)):
                _logger.error("request.refused", requested_by=requested.requested_by, error=str(unknown))  # noqa: TRY400 -- the caller's mistake, not our fault
            return False
        return await self._requests.make_task(requested, new)
