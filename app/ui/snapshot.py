"""All collections as they are now, read once for everybody who looks at that moment."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.condition import RANKS, Condition
from app.domain.task import Status
from app.store.moments import LATEST
from app.store.recent_tasks import RecentTasks
from app.ui.collection_states import CollectionStates, past_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.api.http.services import Services
    from app.store.moments import Moment
    from app.ui.collection_states import CollectionState
    from app.ui.filters import Filter
    from app.ui.shared import Shared

_MOST_RUNNING: Final = 1000
_MOST_MOMENTS: Final = 4
# A redaction may have removed something, and who answers for a collection is that of today.
_KEPT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every collection, those that need somebody first, and how many are in each condition."""

    collections: Sequence[CollectionState]
    counts: Mapping[Condition, int]
    sources: int

    def matching(self, wanted: Filter) -> Sequence[CollectionState]:
        """The collections that the filter takes."""
        if wanted.takes_all:
            return self.collections
        return [each for each in self.collections if wanted.takes(each.name, each.qualified)]

    def find(self, source: str, collection: str) -> CollectionState | None:
        """The collection, or None if the catalogue does not have it."""
        return next((each for each in self.collections if (each.source, each.collection) == (source, collection)), None)


class Snapshots:
    """Reads snapshots, which all pages share."""

    def __init__(self, services: Services, shared: Shared) -> None:
        self._services = services
        self._shared = shared
        self._states = CollectionStates()
        self._past: dict[Moment, tuple[float, Snapshot]] = {}
        self._looking_back = asyncio.Lock()

    async def get(self, moment: Moment = LATEST) -> Snapshot:
        """All collections as they were at a moment."""
        return await (self._shared.get(Snapshot, self._look) if moment == LATEST else self._get_past(moment))

    async def _get_past(self, moment: Moment) -> Snapshot:
        """What has been looked at lately is kept for a while: the past hardly changes, and is read by one at a time."""
        async with self._looking_back:
            read_at, found = self._past.pop(moment, (0.0, None))
            if found is None or read_at < time.monotonic() - _KEPT_SECONDS:
                read_at = time.monotonic()
                rows = await self._services.reader.list_collections_as_of(moment)
                catalogue = self._services.catalogue().sources
                found = _snapshot(past_state(row, catalogue) for row in rows)
            self._past[moment] = read_at, found
            if len(self._past) > _MOST_MOMENTS:
                del self._past[next(iter(self._past))]
            return found

    async def _look(self) -> Snapshot:
        services = self._services
        running, heads, pauses = await asyncio.gather(
            services.reader.list_recent(RecentTasks(statuses={Status.RUNNING}), _MOST_RUNNING),
            services.reader.list_collections(),
            services.pauses.list_active(),
        )
        return _snapshot(self._states.states_of(services.catalogue().sources.values(), heads, running, pauses))


def _snapshot(states: Iterable[CollectionState]) -> Snapshot:
    found = sorted(states, key=lambda each: (RANKS[each.condition], each.source, each.collection))
    return Snapshot(found, Counter(each.condition for each in found), len({each.source for each in found}))
