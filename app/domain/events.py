"""The events of a task's stream, the facts beside the tasks, and how events of older schema versions are read.

A stream is the history of one task, with versions 1, 2, 3, … without gaps. What an attempt writes to its log is stored
separately (see `app.store.log`): it has no version and changes no state.

A fact is what happens to a collection or a source beside its tasks. It is a stream of one event, without a status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

# A task was requested, by a schedule or through the API.
TASK_SCHEDULED: Final = "TaskScheduled"
# A worker of this `release`, with this `catalogue`, claimed the task; the number `claim` fences everything that it then
# writes for the task.
TASK_STARTED: Final = "TaskStarted"
# A destination has committed rows together with their bookmark.
BOOKMARK_SAVED: Final = "BookmarkSaved"
# How much a running attempt has read so far: `records_read`, `bytes_read` and, if known, the fraction `share`.
PROGRESS_REPORTED: Final = "ProgressReported"
# The columns of a table that the task loads are known for the first time, or have changed since its last load.
SCHEMA_CHANGED: Final = "SchemaChanged"
# A program has made a new configuration of its own, and this is `kept` for the next attempts if there is a secret key.
CONFIG_RENEWED: Final = "ConfigRenewed"
# The cancellation of a running task was requested.
CANCEL_REQUESTED: Final = "CancelRequested"
# One more task was requested, with `source_type`, `trigger`, `priority_class`, `max_attempts` and `pool`. It is
# scheduled in the transaction that ends this one.
RUN_AGAIN_REQUESTED: Final = "RunAgainRequested"
# The attempt failed and the task will be tried again at `run_at`.
ATTEMPT_FAILED: Final = "AttemptFailed"
# The worker's lease expired; the attempt counts as failed.
ATTEMPT_RESCUED: Final = "AttemptRescued"
# A worker gave the task back, which does not count as a failure: it is draining, it never received the claim, or its
# catalogue does not have the collection (no worker that claimed the task has known it since `unknown_since`). Or its
# source cannot be read before `run_at` (the task has done nothing but wait for it since `postponed_since`),
# or a destination cannot be reached (it has waited for that since `unreachable_since`).
ATTEMPT_HANDED_BACK: Final = "AttemptHandedBack"
TASK_SUCCEEDED: Final = "TaskSucceeded"
TASK_FAILED: Final = "TaskFailed"
TASK_CANCELED: Final = "TaskCanceled"

# A collection, or all of a source, is paused from `since`: to `until`, or until somebody ends that. Each change is one.
COLLECTION_PAUSED: Final = "CollectionPaused"
# Somebody has ended the pause that there was from `since`.
COLLECTION_RESUMED: Final = "CollectionResumed"
# A collection has forgotten its bookmarks; those that are saved from now on are of this `generation`.
COLLECTION_RESET: Final = "CollectionReset"
# Bookmarks of a collection were set by hand; this `generation` begins with them. `given` names the destinations that
# got another bookmark, `bookmark` has those of all.
BOOKMARK_SET: Final = "BookmarkSet"
# The catalogue has another content. About a `source`: its `change` (added, removed or changed), its changed `keys`, and
# what has happened to its `collections`. Without a source: what to `destinations`, and changed keys of other sections.
CATALOGUE_CHANGED: Final = "CatalogueChanged"
# The newest version of a source is not used, because of `problems`.
SOURCE_REJECTED: Final = "SourceRejected"
# Nothing is wrong any more with a source that was rejected, or it was removed.
SOURCE_ACCEPTED: Final = "SourceAccepted"
# No task was made of what somebody has asked for in the database, because of `reason`.
SYNC_REFUSED: Final = "SyncRefused"
# `fields` of event `version` of a task were redacted, and perhaps `lines` of its log.
EVENT_REDACTED: Final = "EventRedacted"

TASK_TYPES: Final = (
    TASK_SCHEDULED,
    TASK_STARTED,
    BOOKMARK_SAVED,
    PROGRESS_REPORTED,
    SCHEMA_CHANGED,
    CONFIG_RENEWED,
    CANCEL_REQUESTED,
    RUN_AGAIN_REQUESTED,
    ATTEMPT_FAILED,
    ATTEMPT_RESCUED,
    ATTEMPT_HANDED_BACK,
    TASK_SUCCEEDED,
    TASK_FAILED,
    TASK_CANCELED,
)
"""Every type of event that this release appends to the stream of a task."""

FACT_TYPES: Final = (
    COLLECTION_PAUSED,
    COLLECTION_RESUMED,
    COLLECTION_RESET,
    BOOKMARK_SET,
    CATALOGUE_CHANGED,
    SOURCE_REJECTED,
    SOURCE_ACCEPTED,
    SYNC_REFUSED,
    EVENT_REDACTED,
)
"""Every type of fact that it appends."""

TYPES: Final = (*TASK_TYPES, *FACT_TYPES)

TERMINAL: Final = frozenset({TASK_SUCCEEDED, TASK_FAILED, TASK_CANCELED})


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `status` is the task's status after it; `data` has the fields of this type of event.

    An event that begins or ends an attempt or a task is a line of the log too: `line` is its number there. None if it
    is not a line, or if an earlier release has stored the line by itself.
    """

    task: UUID
    version: int
    type: str
    at: datetime
    status: str
    attempt: int
    worker: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    v: int = 1
    line: int | None = None


# (type, v) → converts an event's data to schema version v + 1. Empty, because all types are in their first version.
UPCASTS: Final[Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Mapping[str, Any]]]] = {}


def upcast(type_: str, v: int, data: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Convert an event's data to the newest schema version of its type, step by step."""
    while step := UPCASTS.get((type_, v)):
        v, data = v + 1, step(data)
    return v, data
