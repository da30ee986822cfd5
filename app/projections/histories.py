"""The history of a task: its folded stream, and its order among the tasks of its collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.events import BOOKMARK_SAVED, SCHEMA_CHANGED
from app.domain.task import TERMINAL, IllegalTransitionError, Task, fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from app.store.projections import Stream


class Saved(NamedTuple):
    """An event that saved a bookmark; they sort in the order of saving."""

    xid: int
    version: int
    task: UUID


@dataclass(frozen=True, slots=True)
class History:
    """A task after all its events; `xid` is the transaction of the last event."""

    task: Task
    stream: Stream

    @classmethod
    def of(cls, stream: Stream) -> History:
        """Fold a stream.

        Raises:
            IllegalTransitionError: the events are not in a valid order.
        """
        task = fold(stream.events)
        if task is None:
            raise IllegalTransitionError("a stream has no events")
        return cls(task, stream)

    @property
    def xid(self) -> int:
        return self.stream.xids[-1]

    @property
    def ended(self) -> bool:
        return self.task.status in TERMINAL

    @property
    def key(self) -> tuple[str, str]:
        return self.task.source, self.task.collection

    @property
    def order(self) -> tuple[bool, int]:
        """The order of the task within its collection, whose tasks never overlap; by transactions, not by a clock.

        The first event of a task may have a lower transaction id than the last event of the task before it, if both
        transactions were open at the same time. The last events of two ended tasks are always in order. So ended tasks
        are sorted by their last event, and the active task, of which there is at most one, comes after them.
        """
        return not self.ended, self.xid

    def bookmarks(self) -> Iterator[tuple[str, Saved]]:
        """The bookmarks that the task has saved, with their destination, oldest first."""
        for event, xid in zip(self.stream.events, self.stream.xids, strict=True):
            if event.type == BOOKMARK_SAVED:
                yield event.data["destination"], Saved(xid, event.version, event.task)

    def schema_rows(self) -> Iterator[dict[str, Any]]:
        """The rows of `table_schemas` that the task has added."""
        for event in self.stream.events:
            if event.type == SCHEMA_CHANGED:
                yield {
                    "source": self.task.source,
                    "collection": self.task.collection,
                    "destination": event.data["destination"],
                    "table_name": event.data["table"],
                    "revision": event.data["revision"],
                    "columns": event.data["columns"],
                    "changes": event.data["changes"],
                    "task": event.task,
                    "attempt": event.attempt,
                    "changed_at": event.at,
                }

    def tasks_row(self) -> dict[str, Any]:
        """The row of `tasks`, which has tasks that have ended."""
        return {column: getattr(self.task, column) for column in TASKS_COLUMNS}

    def head_row(self) -> dict[str, Any]:
        """What the row of its collection says of the task, if that is the last one."""
        return {column: getattr(self.task, column) for column in _HEAD_COLUMNS} | {"xid": self.xid}


TASKS_COLUMNS = (
    "task",
    "source",
    "collection",
    "source_type",
    "trigger",
    "fire_time",
    "priority",
    "max_attempts",
    "status",
    "attempt",
    "failures",
    "rows",
    "error",
    "created_at",
    "started_at",
    "finished_at",
    "version",
    "backfill",
)
_HEAD_COLUMNS = (
    *(column for column in TASKS_COLUMNS if column != "finished_at"),
    "run_at",
    "worker",
    "cancel_requested",
    "claim",
    "changed_at",
    "pool",
    "line",
    "again",
)
