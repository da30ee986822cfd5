"""Folds the tasks of each collection into its row, its bookmarks and the columns of its tables.

Histories may be taken in any order; `History.order` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from app.domain.task import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from app.projections.histories import History, Saved
    from app.store.projections import RetiredFailures

Order: TypeAlias = tuple[bool, int]


@dataclass(slots=True)
class _Collection:
    last: History | None = None
    success: History | None = None
    failure: History | None = None
    failures_since_success: list[Order] = field(default_factory=list)
    saved: dict[str, Saved] = field(default_factory=dict)
    schemas: list[dict[str, Any]] = field(default_factory=list)

    def take(self, history: History) -> None:
        self.last = _later(self.last, history)
        if history.task.status is Status.SUCCESS:
            self.success = _later(self.success, history)
            since = self.success.order
            self.failures_since_success = [order for order in self.failures_since_success if order > since]
        elif history.task.status is Status.FAILED:
            self.failure = _later(self.failure, history)
            if self.success is None or history.order > self.success.order:
                self.failures_since_success.append(history.order)
        for destination, saved in history.bookmarks():
            self.saved[destination] = max(saved, self.saved.get(destination, saved))
        self.schemas += history.schema_rows()


class Collections:
    """The projections with one row for each collection, or for each of its destinations.

    `retired` are failures, by source and collection, whose events are gone.
    """

    def __init__(self, retired: Mapping[tuple[str, str], RetiredFailures] | None = None) -> None:
        self.retired = retired or {}
        self._collections: dict[tuple[str, str], _Collection] = {}
        self._active: dict[UUID, History] = {}

    def take(self, history: History) -> None:
        """Add a task. Each ended task is added once, an active one after the ended tasks of its collection."""
        self._collections.setdefault(history.key, _Collection()).take(history)
        if not history.ended:
            self._active[history.task.task] = history

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `collections`."""
        return [_row(c.last, c, self.retired.get(key)) for key, c in self._collections.items() if c.last]

    def schema_rows(self) -> list[dict[str, Any]]:
        """The rows of `table_schemas`."""
        return [row for collection in self._collections.values() for row in collection.schemas]

    def saving_events(self) -> Iterator[tuple[UUID, int]]:
        """The events (task, version) that saved the current bookmarks."""
        for collection in self._collections.values():
            for saved in collection.saved.values():
                yield saved.task, saved.version

    def displaced(self) -> list[UUID]:
        """Active tasks that are not the last ones of their collections: the store had lost its row in between."""
        return [task for task, history in self._active.items() if self._collections[history.key].last is not history]


def _later(one: History | None, other: History) -> History:
    return other if one is None or other.order >= one.order else one


def _row(last: History, collection: _Collection, retired: RetiredFailures | None) -> dict[str, Any]:
    success = collection.success.task.task if collection.success else None
    failures = retired.failures if retired and retired.success == success else 0
    return last.head_row() | {
        "last_success_at": collection.success and collection.success.task.finished_at,
        "last_failure_at": collection.failure and collection.failure.task.finished_at,
        "consecutive_failures": failures + len(collection.failures_since_success),
    }
