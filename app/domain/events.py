"""The events of a task's stream, and how events of older schema versions are read.

A stream is the history of one task: versions 1, 2, 3, … without gaps. Log lines are events too, kept apart (see
`app.store`): they carry no version and change no state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

# A task was asked for, by a schedule or by an API call.
TASK_SCHEDULED: Final = "TaskScheduled"
# A worker claimed the task; `claim`, the number of the claim, is the fence of all that this worker writes.
TASK_STARTED: Final = "TaskStarted"
# A destination has committed rows together with the bookmark that stands for them.
BOOKMARK_SAVED: Final = "BookmarkSaved"
# How much a running attempt has read so far: `records_read`, `bytes_read` and, where it is known, `share` of all.
PROGRESS_REPORTED: Final = "ProgressReported"
# Somebody wants a running task to end.
CANCEL_REQUESTED: Final = "CancelRequested"
# The attempt failed and the task will be tried again at `run_at`.
ATTEMPT_FAILED: Final = "AttemptFailed"
# The worker's lease ran out; the attempt counts as failed.
ATTEMPT_RESCUED: Final = "AttemptRescued"
# A worker gave the task back, no failed attempt: it drains, the claim never reached it, or its catalogue does not have
# the collection, which no worker that took the task has known since `unknown_since`.
ATTEMPT_HANDED_BACK: Final = "AttemptHandedBack"
TASK_SUCCEEDED: Final = "TaskSucceeded"
TASK_FAILED: Final = "TaskFailed"
TASK_CANCELED: Final = "TaskCanceled"

TERMINAL: Final = frozenset({TASK_SUCCEEDED, TASK_FAILED, TASK_CANCELED})


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `status` is the task's status after it; `data` holds what only this type of event needs."""

    task: UUID
    version: int
    type: str
    at: datetime
    status: str
    attempt: int
    worker: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    v: int = 1


# (type, v) → the data of the same event in schema version v + 1. Empty while every type is still in its first version.
UPCASTS: Final[Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Mapping[str, Any]]]] = {}


def upcast(type_: str, v: int, data: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Bring an event's data to the newest schema version of its type, one step after the other."""
    while step := UPCASTS.get((type_, v)):
        v, data = v + 1, step(data)
    return v, data
