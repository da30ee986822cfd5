"""The history of a task: its stream, folded, with its place among the tasks of its collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.events import BOOKMARK_SAVED
from app.domain.task import TERMINAL, IllegalTransitionError, Task, fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from app.store.projections import Stream


class Saved(NamedTuple):
    """The event that saved a bookmark; they compare in the order in which they were saved."""

    xid: int
    version: int
    task: UUID


@dataclass(frozen=True, slots=True)
class History:
    """A task after all its events; `xid` is the transaction of the last one."""

    task: Task
    stream: Stream

    @classmethod
    def of(cls, stream: Stream) -> History:
        """Fold a stream.

        Raises:
            IllegalTransitionError: the stream is no legal life of a task.
        """
        task = fold(stream.events)
        if task is None:
            raise IllegalTransitionError("a stream without events is none")
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
        """Where the task stands among those of its collection, which never overlap: by no clock, but by transactions.

        The first event of a task may carry a lower transaction id than the last one of the task before it, when both
        transactions were open at once; an ended task's last event cannot. So the active task, of which there is at most
        one, comes last, and the others by their end.
        """
        return not self.ended, self.xid

    def bookmarks(self) -> Iterator[tuple[str, Saved]]:
        """What the task has saved, by destination, oldest first."""
        for event, xid in zip(self.stream.events, self.stream.xids, strict=True):
            if event.type == BOOKMARK_SAVED:
                yield event.data["destination"], Saved(xid, event.version, event.task)

    def tasks_row(self) -> dict[str, Any]:
        """The row of `tasks`."""
        return {column: getattr(self.task, column) for column in TASKS_COLUMNS}

    def queue_row(self) -> dict[str, Any]:
        """The row of `task_queue`, while the task is active."""
        return {column: getattr(self.task, column) for column in _QUEUE_COLUMNS} | {"xid": self.xid}


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
_QUEUE_COLUMNS = (
    "source",
    "collection",
    "task",
    "status",
    "priority",
    "run_at",
    "version",
    "attempt",
    "failures",
    "max_attempts",
    "worker",
    "cancel_requested",
    "changed_at",
    "backfill",
    "claim",
)
