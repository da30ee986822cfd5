"""Tells what has changed in the catalogue, whenever this worker takes up another content."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.catalogue_digests import parts_of
from app.execution.digests import digest_key_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.domain.catalogue_parts import Parts
    from app.store.catalogue_parts import CatalogueParts
    from app.store.catalogues import Catalogues

_SECONDS: Final = 1.0
_CHECK_SECONDS: Final = 60.0

_logger = structlog.get_logger("syncline.worker")


class CatalogueChanges:
    """Each content becomes events once, however many workers have it.

    A worker speaks when its own catalogue changes, and at its start. So one that still has an older file says nothing
    about it, while the others go on with the new one. If one started with an older file, what it has told stays as long
    as a worker has that content; then another tells its own.
    """

    def __init__(
        self,
        parts: CatalogueParts,
        catalogues: Catalogues,
        watcher: CatalogueWatcher,
        worker: Callable[[], UUID | None] = lambda: None,
    ) -> None:
        """`worker` is the id of this worker, None without a lease."""
        self._parts = parts
        self._catalogues = catalogues
        self._watcher = watcher
        self._worker = worker
        self._looked_at: Catalogue | None = None
        self._told: tuple[str, str] | None = None
        self._checked_at = time.monotonic()

    async def step(self) -> float:
        """Tell what has changed; the seconds until the next look.

        Raises:
            MissingRightError: the login may not write it.
            UnsettledError: other workers kept telling other contents.
        """
        catalogue = self._watcher.current
        if catalogue is not self._looked_at:
            content = await self._content_of(catalogue)
            if (content.digest, content.key_id) != self._told:
                await self._tell(content)
            self._looked_at = catalogue
        elif time.monotonic() - self._checked_at > _CHECK_SECONDS:
            await self.check()
        return _SECONDS

    async def check(self) -> None:
        """Tell this worker's content again if no worker has the one that was told last."""
        self._checked_at = time.monotonic()
        if self._told is not None and await self._parts.is_nobodys(self._worker(), self._told[0]):
            await self._tell(await self._content_of(self._watcher.current))

    async def _tell(self, content: Parts) -> None:
        facts = await self._parts.record(content, by=self._worker())
        self._told = content.digest, content.key_id
        if facts:
            _logger.info("catalogue.told", events=len(facts))

    async def _content_of(self, catalogue: Catalogue) -> Parts:
        # In a thread, because a catalogue may have tens of thousands of collections.
        return await asyncio.to_thread(parts_of, catalogue, await digest_key_of(catalogue, self._catalogues))
