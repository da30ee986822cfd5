"""What a start says: the release, and the catalogue that the worker had at the claim."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.connector import SourceFacts
from app.execution.digests import digest_key_of
from app.execution.lease import lease_clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.execution.digests import DigestKey
    from app.store.catalogues import Catalogues

# Registered again after this time: retention keeps what is in use, and a standby that was promoted may lack a row.
_REGISTERED_SECONDS: Final = 300.0
_ID_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class CatalogueFacts:
    """What a release knows of one content of a catalogue. `key_id` is that of the digests' key."""

    release: str
    catalogue_id: str
    key_id: str
    sources: Mapping[str, SourceFacts]

    @property
    def of_event(self) -> dict[str, str]:
        """What the event says. The attempt reads files again, so it may run with a newer catalogue than this."""
        return {"release": self.release, "catalogue": self.catalogue_id}


class StartFacts:
    """The facts of the worker's catalogue, looked at again when that changes.

    A source is registered when a task of it is started. If all were registered whenever the catalogue changes, one with
    a password that is new every hour would fill the table with sources that nobody has read.
    """

    def __init__(self, catalogues: Catalogues, watcher: CatalogueWatcher, *, release: str) -> None:
        self._catalogues = catalogues
        self._watcher = watcher
        self._release = release
        self._looked_at: Catalogue | None = None
        self._facts: CatalogueFacts | None = None
        # When, by `lease_clock`, the sources of these facts were registered.
        self._registered: dict[str, float] = {}

    async def current(self) -> CatalogueFacts:
        """The facts of the catalogue as it is now.

        Raises:
            MissingRightError: the login may not read the key or not register the facts, so nothing should be claimed.
        """
        catalogue = self._watcher.current
        if self._facts is None or catalogue is not self._looked_at:
            key = await digest_key_of(catalogue, self._catalogues)
            # In a thread, because a catalogue may have tens of thousands of collections.
            facts = await asyncio.to_thread(_facts_of, catalogue, key, self._release)
            # No source yet: this only checks that the login may register some, before anything is claimed. After a
            # claim, each round would hand the tasks back, with two events each.
            await self._catalogues.register(facts.catalogue_id, {}, key_id=facts.key_id)
            if self._facts is None or facts.catalogue_id != self._facts.catalogue_id:
                self._facts = facts
                self._registered.clear()
            self._looked_at = catalogue
        return self._facts

    async def register(self, sources: Iterable[str]) -> None:
        """Register what the tasks of these sources were started with: the facts that `current` has returned last.

        Call it before they run.

        Raises:
            MissingRightError: the login may not do it any more.
        """
        facts = self._facts
        if facts is None:
            return
        now = lease_clock()
        new = {
            source: facts.sources[source]
            for source in sources
            # It lacks those that only other workers know.
            if source in facts.sources and now - self._registered.get(source, float("-inf")) > _REGISTERED_SECONDS
        }
        if new:
            await self._catalogues.register(facts.catalogue_id, new, key_id=facts.key_id)
            self._registered.update(dict.fromkeys(new, now))


def _facts_of(catalogue: Catalogue, key: DigestKey, release: str) -> CatalogueFacts:
    sources = {source.id: SourceFacts(source.connector, key.digest_of(source)) for source in catalogue.sources.values()}
    text = json.dumps([key.id, sorted(sources.items())])
    return CatalogueFacts(release, hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS], key.id, sources)
