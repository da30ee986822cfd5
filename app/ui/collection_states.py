"""How one collection is, told from the rows of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.api.operations.pauses import pause_fields
from app.domain.about import About
from app.domain.condition import Condition, Facts, condition_of, describe
from app.domain.task import Status, task_id
from app.store.pauses import WHOLE_SOURCE
from app.store.recent_tasks import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from app.config.sources import Source
    from app.domain.collection import Collection
    from app.store.reads import Row


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
    delay: timedelta = timedelta()
    last_task_uuid: UUID | None
    paused_alone: bool
    about: About

    @property
    def is_active(self) -> bool:
        """Whether its last task waits or runs."""
        return self.facts.last_status in ACTIVE

    @property
    def next_start_at(self) -> datetime | None:
        """When the task of the next fire time starts."""
        return self.next_fire_at and self.next_fire_at + self.delay

    @property
    def name(self) -> str:
        return f"{self.source}.{self.collection}"

    @property
    def last_task(self) -> str | None:
        """The id of its last task."""
        return None if self.last_task_uuid is None else task_id(self.source, self.collection, self.last_task_uuid)

    def qualified(self, name: str) -> str:
        """What this qualifier of a filter looks in."""
        return QUALIFIERS[name](self)

    def words(self, now: datetime) -> str:
        return describe(self.facts, now)


QUALIFIERS: Final[Mapping[str, Callable[[CollectionState], str]]] = {
    "source": lambda each: each.source,
    "collection": lambda each: each.collection,
    "state": lambda each: each.condition.value,
    "error": lambda each: each.facts.last_error or "",
    "schedule": lambda each: each.schedule or "",
    "owner": lambda each: each.about.owner or "",
    # Labels have no line breaks, so a search never matches across two of them.
    "label": lambda each: "\n".join(each.about.labels),
}
"""The qualifiers of filters of collections, and what each looks in."""


class _Rows(NamedTuple):
    """The rows about a collection: its head and schedule, its running task, its own pause, and that of its source."""

    head: Row | None
    running: Row | None
    pause: Row | None
    pause_of_source: Row | None


class CollectionStates:
    """Tells how collections are. The states of those whose rows are as before are kept: most are."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Collection, _Rows, CollectionState]] = {}

    def states_of(
        self, sources: Iterable[Source], heads: Iterable[Row], running: Iterable[Row], pauses: Iterable[Row]
    ) -> list[CollectionState]:
        """The states of all collections of the sources."""
        head_of, run_of, pause_of = map(_by_name, (heads, running, pauses))
        known, self._known = self._known, {}
        for source in sources:
            pause_of_source = pause_of.get((source.id, WHOLE_SOURCE))
            for collection in source.collections.values():
                name = source.id, collection.name
                rows = _Rows(head_of.get(name), run_of.get(name), pause_of.get(name), pause_of_source)
                entry = known.get(name)
                if entry is None or entry[0] is not collection or entry[1] != rows:
                    entry = collection, rows, _state_of(source.id, collection, rows)
                self._known[name] = entry
        return [state for _, _, state in self._known.values()]


def past_state(row: Row, sources: Mapping[str, Source]) -> CollectionState:
    """A collection as it was. Its schedule, which is not recorded, is that of today."""
    collection = _collection_of(sources, row)
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
        last_task_uuid=row["last_task"],
        paused_alone=True,
        about=collection or About(),
    )


def _state_of(source: str, collection: Collection, rows: _Rows) -> CollectionState:
    head, schedule = rows.head, collection.schedule
    facts = Facts(**_of_head(head), **_of_run(rows.running), **pause_fields(rows.pause or rows.pause_of_source))
    return CollectionState(
        source=source,
        collection=collection.name,
        condition=condition_of(facts),
        facts=facts,
        schedule=schedule,
        timezone=collection.timezone,
        next_fire_at=head["next_fire_at"] if head and schedule else None,
        delay=head["delay"] if head and head["delay"] else timedelta(),
        last_task_uuid=head["last_task"] if head else None,
        paused_alone=rows.pause is not None,
        about=collection,
    )


def _collection_of(sources: Mapping[str, Source], row: Row) -> Collection | None:
    source = sources.get(row["source"])
    return None if source is None else source.collections.get(row["collection"])


def _by_name(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row["source"], row["collection"]): row for row in rows}


def _of_head(head: Any) -> dict[str, Any]:
    if head is None:
        return {}
    names = ("last_success_at", "last_failure_at", "last_error", "consecutive_failures")
    status = head["last_status"] and Status(head["last_status"])
    known = {name: head[name] for name in names}
    # Unknown for what retention has removed.
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
