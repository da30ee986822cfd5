"""Tells what has changed in the catalogue, whenever this worker takes up another content."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.catalogue_digests import parts_of
from app.execution.digests import DigestKey

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.store.catalogue_parts import CatalogueParts
    from app.store.catalogues import Catalogues

_SECONDS: Final = 1.0

_logger = structlog.get_logger("syncline.worker")


class CatalogueChanges:
    """Each content becomes events once, however many workers have it.

    A worker speaks when its own catalogue changes, and at its start. So one that still has an older file says nothing
    about it, while the others go on with the new one.
    """

    def __init__(self, parts: CatalogueParts, catalogues: Catalogues, watcher: CatalogueWatcher) -> None:
        self._parts = parts
        self._catalogues = catalogues
        self._watcher = watcher
        self._looked_at: Catalogue | None = None
        self._told: tuple[str, str] | None = None

    async def step(self) -> float:
        """Tell what has changed; the seconds until the next look.

        Raises:
            MissingRightError: the login may not write it.
            UnsettledError: other workers kept telling other contents.
        """
        catalogue = self._watcher.current
        if catalogue is not self._looked_at:
            content = await asyncio.to_thread(parts_of, catalogue, await self._get_key(catalogue))
            if (content.digest, content.key_id) != self._told:
                facts = await self._parts.record(content)
                self._told = content.digest, content.key_id
                if facts:
                    _logger.info("catalogue.told", events=len(facts))
            self._looked_at = catalogue
        return _SECONDS

    async def _get_key(self, catalogue: Catalogue) -> DigestKey:
        secret_key = catalogue.server.secret_key
        return DigestKey(secret_key[0].encode() if secret_key else await self._catalogues.get_digest_key())
