"""Tasks and their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired, cast

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import Name, Note, TaskId, Time, serializable_time
from app.domain.task import Status, task_id

if TYPE_CHECKING:
    import asyncpg

    from app.store.reads import Row


class ScheduledTask(TypedDict):
    """The collection's active task."""

    task_id: TaskId


# `from` is a keyword of Python.
BackfillRequest = TypedDict(
    "BackfillRequest", {"source": Name, "collection": Name, "from": Time, "to": Time, "note": NotRequired[Note | None]}
)
BackfillRequest.__doc__ = "An interval of a collection to load again: from `from` to just before `to`."


class Waiting(TypedDict):
    """A task that waits for its source or a destination: when the next attempt may begin, and why not before."""

    until: Time
    reason: str


class Task(TypedDict):
    """One task as it is now."""

    id: TaskId
    source: str
    collection: str
    priority: Annotated[int, Field(description="class · 10^12 - Unix seconds of creation; higher runs first")]
    created_at: Time
    started_at: NotRequired[Time]
    finished_at: NotRequired[Time]
    status: Status
    source_type: str
    trigger: str
    fire_time: NotRequired[Time]
    attempt: int
    max_attempts: int
    failures: int
    rows: Annotated[int, Field(description="rows inserted or changed, all destinations together")]
    error: NotRequired[str]
    waiting: NotRequired[Waiting]
    records_read: NotRequired[
        Annotated[
            int, Field(description="records that the running attempt has read so far, updated at most once a second")
        ]
    ]
    bytes_read: NotRequired[Annotated[int, Field(description="about how many bytes these records take")]]
    percent: NotRequired[
        Annotated[
            float,
            Field(description="share of its data that the running attempt has read, if the source knows the total"),
        ]
    ]
    backfill: NotRequired[
        Annotated[
            str,
            Field(
                description="the interval that a backfill loads, its end exclusive",
                json_schema_extra={"examples": ["2024-01-01T00:00:00Z/2024-02-01T00:00:00Z"]},
            ),
        ]
    ]


class TaskList(TypedDict):
    """Tasks, oldest first."""

    tasks: list[Task]


class RecentTaskList(TypedDict):
    """Tasks, newest first; `next` is the `before` of the next page, if there may be one."""

    tasks: list[Task]
    next: NotRequired[str]


class LogLine(TypedDict):
    """One line; `attempt` and `line` give its position.

    `system` has written it: `Syncline`, or the name of a tap, a connector or a target.
    """

    time: Time
    message: str
    level: Literal["debug", "info", "warn", "error"]
    system: str
    attempt: int
    line: int


class TaskLog(TypedDict):
    """Lines in the order in which they were written, attempt by attempt."""

    logs: list[LogLine]


# First in the order of the public contract, then additional ones.
_TASK_FIELDS: Final = (
    "source",
    "collection",
    "priority",
    "created_at",
    "started_at",
    "finished_at",
    "status",
    "source_type",
    "trigger",
    "fire_time",
    "attempt",
    "max_attempts",
    "failures",
    "rows",
    "error",
    "backfill",
)
_SYNCLINE: Final = "Syncline"
_TASK_TIMES: Final = ("created_at", "started_at", "finished_at", "fire_time")


def task_document(row: Row) -> Task:
    """A row of the task list."""
    document: dict[str, Any] = {"id": task_id(row["source"], row["collection"], row["task"])}
    for name in _TASK_FIELDS:
        if (value := row[name]) is not None:
            document[name] = value
    for name in _TASK_TIMES:
        if name in document:
            document[name] = serializable_time(document[name])
    if waiting := row.get("waiting"):
        document["waiting"] = {"until": serializable_time(waiting["until"]), "reason": waiting["reason"]}
    if progress := row.get("progress"):
        document |= {"records_read": progress["records_read"], "bytes_read": progress["bytes_read"]}
        if (share := progress.get("share")) is not None:
            document["percent"] = round(100 * share, 1)
    return cast("Task", document)


def log_document(row: asyncpg.Record) -> LogLine:
    """A row of a task's log."""
    return {
        "time": serializable_time(row["at"]),
        "message": row["message"],
        "level": row["level"],
        "system": row["system"] or _SYNCLINE,
        "attempt": row["attempt"],
        "line": row["line"],
    }
