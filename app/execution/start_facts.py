"""What a start says: the release, and the catalogue that the worker had at the claim."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.domain.connector import SourceFacts
from app.execution.digests import DigestKey
from app.execution.lease import lease_clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.store.catalogues import Catalogues

# Far below the shortest time after which a row that no event names is deleted, which is a day.
_REGISTERED_SECONDS: Final = 3600.0
_ID_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one content of a catalogue, which has the id `catalogue`.

    `key_id` is that of the digests' key. `registered` has the sources that were registered, and when by `lease_clock`.
    """

    release: str
    catalogue: str
    key_id: str
    sources: Mapping[str, SourceFacts]
    registered: dict[str, float] = field(default_factory=dict)

    @property
    def of_event(self) -> dict[str, str]:
        """What the event says. The attempt reads files again, so it may run with a newer catalogue than this."""
        return {"release": self.release, "catalogue": self.catalogue}


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
        self._facts: Facts | None = None

    async def current(self) -> Facts:
        """The facts of the catalogue as it is now.

        Raises:
            MissingRightError: the login may not register them, so nothing should be claimed.
        """
        catalogue = self._watcher.current
        if self._facts is None or catalogue is not self._looked_at:
            secret_key = catalogue.server.secret_key
            key = DigestKey(secret_key[0].encode() if secret_key else await self._catalogues.get_digest_key())
            # In a thread, because a catalogue may have tens of thousands of collections.
            facts = await asyncio.to_thread(_facts_of, catalogue, key, self._release)
            # Nothing, to find out. After a claim, each round would hand the tasks back, with two events each.
            await self._catalogues.register(facts.catalogue, {}, key_id=facts.key_id)
            if self._facts is None or facts.catalogue != self._facts.catalogue:
                self._facts = facts
            self._looked_at = catalogue
        return self._facts

    async def register(self, facts: Facts, sources: Iterable[str]) -> None:
        """Register what the tasks of these sources were started with. Call it before they run."""
        now = lease_clock()
        new = {
            source: facts.sources[source]
            for source in sources
            # It lacks those that only other workers know.
            if source in facts.sources and now - facts.registered.get(source, float("-inf")) > _REGISTERED_SECONDS
        }
        if new:
            await self._catalogues.register(facts.catalogue, new, key_id=facts.key_id)
            facts.registered.update(dict.fromkeys(new, now))


def _facts_of(catalogue: Catalogue, key: DigestKey, release: str) -> Facts:
    sources = {source.id: SourceFacts(source.connector, key.digest_of(source)) for source in catalogue.sources.values()}
    text = json.dumps([key.id, sorted(sources.items())])
    return Facts(release, hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS], key.id, sources)
