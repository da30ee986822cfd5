"""All collections as they are now, read once for everybody who looks at that moment."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.api.operations.pauses import pause_fields
from app.domain.about import About
from app.domain.condition import RANKS, Condition, Facts, condition_of, describe
from app.domain.task import Status, task_id
from app.store.moments import LATEST
from app.store.pauses import WHOLE_SOURCE
from app.store.recent_tasks import ACTIVE, RecentTasks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from app.api.http.services import Services
    from app.config.sources import Source
    from app.domain.collection import Collection
    from app.store.moments import Moment
    from app.ui.filters import Filter
    from app.ui.shared import Shared

_MOST_RUNNING: Final = 1000
QUALIFIERS: Final = ("source", "collection", "state", "error", "schedule", "owner", "label")
"""What filters of collections look in; `CollectionState.qualified` has their values."""
_MOST_MOMENTS: Final = 4
# A redaction may have removed something, and who answers for a collection is that of today.
_KEPT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionState:
    """A collection of the catalogue, and how it is."""

    source: str
    collection: str
    condition: Condition
    facts: Facts
    schedule: str | None
    timezone: str
    next_fire_at: datetime | None
    last_task: str | None
    paused_alone: bool
    about: About

    @property
    def is_active(self) -> bool:
        """Whether its last task waits or runs."""
        return self.facts.last_status in ACTIVE

    @property
    def name(self) -> str:
        return f"{self.source}.{self.collection}"

    @property
    def qualified(self) -> dict[str, str]:
        """What the qualifiers of a filter look in, by their names."""
        return {
            "source": self.source,
            "collection": self.collection,
            "state": self.condition.value,
            "error": self.facts.last_error or "",
            "schedule": self.schedule or "",
            "owner": self.about.owner or "",
            # Labels have no line breaks, so a search never matches across two of them.
            "label": "\n".join(self.about.labels),
        }

    def words(self, now: datetime) -> str:
        return describe(self.facts, now)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every collection, those that need somebody first, and how many are in each condition."""

    collections: Sequence[CollectionState]
    counts: Mapping[Condition, int]
    sources: int

    def matching(self, wanted: Filter) -> list[CollectionState]:
        """The collections that the filter takes."""
        return [each for each in self.collections if wanted.takes(each.name, **each.qualified)]

    def find(self, source: str, collection: str) -> CollectionState | None:
        """The collection, or None if the catalogue does not have it."""
        return next((each for each in self.collections if (each.source, each.collection) == (source, collection)), None)


class Snapshots:
    """Reads snapshots, which all pages share."""

    def __init__(self, services: Services, shared: Shared) -> None:
        self._services = services
        self._shared = shared
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
                found = _snapshot(_state_then(row, _collection_of(catalogue, row)) for row in rows)
            self._past[moment] = read_at, found
            if len(self._past) > _MOST_MOMENTS:
                del self._past[next(iter(self._past))]
            return found

    async def _look(self) -> Snapshot:
        known = await self._read_rows()
        sources = self._services.catalogue().sources.values()
        return _snapshot(
            known.state_of(source.id, collection) for source in sources for collection in source.collections.values()
        )

    async def _read_rows(self) -> _Rows:
        reader = self._services.reader
        running = await reader.list_recent(RecentTasks(statuses={Status.RUNNING}), _MOST_RUNNING)
        return _Rows(
            _by_name(await reader.list_collections()),
            _by_name(running),
            _by_name(await self._services.pauses.list_active()),
        )


def _snapshot(states: Iterable[CollectionState]) -> Snapshot:
    found = sorted(states, key=lambda each: (RANKS[each.condition], each.source, each.collection))
    return Snapshot(found, Counter(each.condition for each in found), len({each.source for each in found}))


def _collection_of(sources: Mapping[str, Source], row: Any) -> Collection | None:
    source = sources.get(row["source"])
    return None if source is None else source.collections.get(row["collection"])


def _state_then(row: Any, collection: Collection | None) -> CollectionState:
    """A collection as it was. Its schedule, which is not recorded, is that of today."""
    names = ("paused_since", "paused_until", "paused_by", "pause_note")
    facts = Facts(**_of_head(row), **{name: row[name] for name in names})
    return CollectionState(
        source=row["source"],
        collection=row["collection"],
        condition=condition_of(facts),
        facts=facts,
        schedule=None if collection is None else collection.schedule,
        timezone="UTC" if collection is None else collection.timezone,
        next_fire_at=None,
        last_task=task_id(row["source"], row["collection"], row["last_task"]) if row["last_task"] else None,
        paused_alone=True,
        about=collection or About(),
    )


def _by_name(rows: Iterable[Any]) -> Mapping[tuple[str, str], Any]:
    return {(row["source"], row["collection"]): row for row in rows}


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the store has, by source and collection: heads with their schedules, running tasks, and pauses."""

    heads: Mapping[tuple[str, str], Any]
    running: Mapping[tuple[str, str], Any]
    pauses: Mapping[tuple[str, str], Any]

    def state_of(self, source: str, collection: Collection) -> CollectionState:
        name, schedule = (source, collection.name), collection.schedule
        head, alone = self.heads.get(name), self.pauses.get(name)
        pause = alone or self.pauses.get((source, WHOLE_SOURCE))
        facts = Facts(**_of_head(head), **_of_run(self.running.get(name)), **pause_fields(pause))
        return CollectionState(
            source=source,
            collection=collection.name,
            condition=condition_of(facts),
            facts=facts,
            schedule=schedule,
            timezone=collection.timezone,
            next_fire_at=head["next_fire_at"] if head and schedule else None,
            last_task=task_id(source, collection.name, head["last_task"]) if head and head["last_task"] else None,
            paused_alone=alone is not None,
            about=collection,
        )


def _of_head(head: Any) -> dict[str, Any]:
    if head is None:
        return {}
    names = ("last_success_at", "last_failure_at", "last_error", "consecutive_failures")
    status = head["last_status"] and Status(head["last_status"])
    known = {name: head[name] for name in names}
    # How many it were before what retention has kept, nobody knows.
    return {"last_status": status, **known, "consecutive_failures": known["consecutive_failures"] or 0}


def _of_run(run: Any) -> dict[str, Any]:
    if run is None:
        return {}
    progress = run.get("progress") or {}
    share = progress.get("share")
    return {
        "started_at": run["started_at"],
        "records_read": progress.get("records_read"),
        "percent": None if share is None else 100 * share,
    }
