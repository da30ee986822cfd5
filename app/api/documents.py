"""The documents of the API. Times that have not come are absent. Fields keep their order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired, cast

import msgspec
from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.connectors.contract.schema import Kind
from app.domain.cause import LONGEST_NOTE, NOTE_PATTERN
from app.domain.feed import PAST_PLACE_PATTERN
from app.domain.task import Status, task_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from app.config.catalogue import Catalogue
    from app.config.outline import Outline
    from app.domain.attempt_protocol import Offered
    from app.store.reads import Row

Time = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time", "examples": ["2021-03-10T22:45:01.512528Z"]}),
]
# PostgreSQL cannot store U+0000.
NAME_PATTERN: Final = r"^[^\u0000]*$"
Name = Annotated[str, Field(min_length=1, json_schema_extra={"pattern": NAME_PATTERN})]
Note = Annotated[
    str,
    Field(
        description="Why: kept in the event that the request causes.",
        max_length=LONGEST_NOTE,
        json_schema_extra={"pattern": NOTE_PATTERN},
    ),
]
TaskId = Annotated[
    str,
    Field(description="`{source}_{collection}_{UUIDv7}`. The UUID identifies the task; the rest must match it."),
]


OfferedType = (
    Annotated[str, Field(json_schema_extra={"enum": [*(kind.value for kind in Kind), "unknown"]})]
    | Annotated[
        str,
        Field(
            description="An exact decimal, with its digits in all and after the point.",
            json_schema_extra={"pattern": r"^decimal\(\d+,\d+\)$", "examples": ["decimal(18,2)"]},
        ),
    ]
)


class Error(TypedDict):
    """What went wrong. `error` gives details, if there are any; for a 500 it is the id to look for in the log."""

    message: str
    error: NotRequired[str]


class GoneError(Error):
    """The events that were asked for are not all there any more; `first` is the place from which they are."""

    first: str


class ScheduledTask(TypedDict):
    """The collection's active task."""

    task_id: TaskId


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
    """One line; `attempt` and `line` give its position."""

    time: Time
    message: str
    level: Literal["debug", "info", "warn", "error"]
    attempt: int
    line: int


class TaskLog(TypedDict):
    """Lines in the order in which they were written, attempt by attempt."""

    logs: list[LogLine]


class EventData(TypedDict):
    """What an event is about, and what its type says.

    Events beside the tasks, such as a pause, have neither a task nor what belongs to one. If they are about a whole
    source, they have no `collection`.
    """

    task_id: NotRequired[TaskId]
    source: NotRequired[str]
    collection: NotRequired[str]
    version: NotRequired[Annotated[int, Field(description="counts the events of the task from 1")]]
    status: NotRequired[Status]
    attempt: NotRequired[int]
    worker: NotRequired[str]
    details: dict[str, Any]


class FeedEvent(TypedDict):
    """An event in the envelope of CloudEvents 1.0."""

    specversion: Literal["1.0"]
    id: Annotated[str, Field(description="its place in the feed, also for `after` and `Last-Event-ID`")]
    source: Annotated[str, Field(description="the URI of this installation")]
    type: Annotated[str, Field(json_schema_extra={"examples": ["dev.syncline.task.failed.v1"]})]
    subject: NotRequired[Annotated[str, Field(description="source/collection, or a source")]]
    time: Time
    data: EventData


class EventPage(TypedDict):
    """Events in the order of the feed. Go on after `next`; if `more` is false, there was nothing more."""

    events: list[FeedEvent]
    next: str
    more: bool


class Done(TypedDict):
    """Success."""

    status: Literal["ok"]


class CollectionChoice(TypedDict):
    """A collection of a source."""

    source: Name
    collection: Name
    note: NotRequired[Note | None]


class SourceChoice(TypedDict):
    """A source, or one collection of it."""

    source: Name
    collection: NotRequired[Annotated[str, Field(json_schema_extra={"pattern": NAME_PATTERN})] | None]


class ResumeRequest(TypedDict):
    """A source, or one collection of it, whose pause is to end."""

    source: Name
    collection: NotRequired[Name | None]
    note: NotRequired[Note | None]


class PauseRequest(TypedDict):
    """A source, or one collection of it, to pause: until a time, or until somebody resumes it."""

    source: Name
    collection: NotRequired[Name | None]
    until: NotRequired[Time | None]
    cancel: NotRequired[Annotated[bool, Field(description="whether running tasks are canceled")] | None]
    note: NotRequired[Note | None]


class PausedAnswer(Done):
    """Since when it is paused; `canceled` are the running tasks that end because of it."""

    paused_since: Time
    paused_until: NotRequired[Time]
    canceled: list[TaskId]


class ResumedAnswer(Done):
    """Whether it was paused; a collection may still be held up by the pause of its source.

    `still_paused` are the collections of a source that were paused alone, and still are.
    """

    was_paused: bool
    source_is_paused: bool
    still_paused: list[str]


EventId = Annotated[str, Field(description="the id of an event in the feed")]


class BookmarkRequest(CollectionChoice):
    """The bookmarks to set: one for each of these destinations, or all as they were after an event.

    A destination whose bookmark is null loads everything again, as after a reset. Others keep theirs.
    """

    bookmarks: NotRequired[Annotated[dict[str, Any], Field(min_length=1)] | None]
    position: NotRequired[
        Annotated[
            str,
            Field(description="the id of an event, or a position", json_schema_extra={"pattern": PAST_PLACE_PATTERN}),
        ]
        | None
    ]


class BookmarkAnswer(Done):
    """The generation that begins with the bookmarks that were set; `position` is the id of the event."""

    generation: int
    position: EventId


class KeptBookmark(TypedDict):
    """How far a destination is: what the next task reads from; null if the source reads everything each time."""

    destination: str
    bookmark: Any
    saved_at: Time
    position: NotRequired[EventId]


class BookmarkChange(TypedDict):
    """A commit that saved a bookmark, bookmarks that were set, or a reset, which concerns all destinations.

    `bookmarks` has those that are new; null where everything is loaded again.
    """

    position: EventId
    time: Time
    type: Literal["saved", "set", "reset"]
    task_id: NotRequired[TaskId]
    rows: NotRequired[int]
    who: NotRequired[str]
    note: NotRequired[str]
    bookmarks: dict[str, Any]


class BookmarkOverview(TypedDict):
    """The bookmarks of a collection, and what has changed them, newest first. Secrets of the catalogue are masked."""

    bookmarks: list[KeptBookmark]
    history: list[BookmarkChange]


class DiscoveryRequest(TypedDict):
    """The source to discover."""

    source: Name


# `from` is a keyword of Python.
BackfillRequest = TypedDict(
    "BackfillRequest", {"source": Name, "collection": Name, "from": Time, "to": Time, "note": NotRequired[Note | None]}
)
BackfillRequest.__doc__ = "An interval of a collection to load again: from `from` to just before `to`."


class OfferedColumn(TypedDict):
    """A column; `unknown` is the type of one whose values have to be seen first."""

    name: str
    type: OfferedType


class OfferedCollection(TypedDict):
    """What a collection can be made from: write its `name` as the collection's `type`.

    `cursor_fields` are the columns that may tell which rows are new, the most likely first.
    """

    name: str
    columns: list[OfferedColumn]
    primary_key: list[str]
    cursor_fields: list[str]
    sync_modes: list[Literal["full_refresh", "incremental"]]


class Offers(TypedDict):
    """What a source offers."""

    source: str
    collections: list[OfferedCollection]


class LoadedColumn(TypedDict):
    """A field of the source, and the destination's column for it.

    There is no `column` if the destination does not have one or, like a Singer target, does not say.
    """

    field: str
    field_type: Annotated[str, Field(description="as the source names it, or a type as in discovery")]
    column: NotRequired[str]
    column_type: NotRequired[Annotated[str, Field(description="as the destination names it")]]


class LoadedTable(TypedDict):
    """A table as the last load of its collection found it."""

    destination: str
    table: str
    columns: list[LoadedColumn]


class Pausable(TypedDict):
    """What a source or a collection says while it is paused itself; `paused_until` if the pause ends by itself."""

    paused_since: NotRequired[Time]
    paused_until: NotRequired[Time]
    paused_by: NotRequired[str]
    pause_note: NotRequired[str]


class Described(TypedDict):
    """What the catalogue says about a source or a collection for people; a collection has what it inherits."""

    owner: NotRequired[str]
    labels: NotRequired[list[str]]
    description: NotRequired[str]
    runbook: NotRequired[Annotated[str, Field(description="where to read what to do if it fails: an http(s) URL")]]


Digests = Annotated[
    dict[str, str],
    Field(
        description="For each key that may hold secrets, a digest of what is written there: with placeholders that are "
        "not replaced, and without secrets. Only whether two digests are equal means something.",
        json_schema_extra={"examples": [{"config.url": "4f5f1a3f9f4fd2e3"}]},
    ),
]


class Covered(TypedDict):
    """What the bookmarks of a collection stand for: if it changes, everything is loaded again.

    `reads` is a table or stream of the source, `writes` the table, `query` a digest, and `key` the `primary_key`.
    """

    reads: str
    writes: str
    query: str
    key: list[str]


class Collection(Pausable, Described):
    """A collection and its state; without a schedule it runs only on request.

    `settings`, `digests` and `covers` are there if `settings=true` asks for them.
    """

    name: str
    schedule: NotRequired[str]
    timezone: NotRequired[str]
    next_fire_at: NotRequired[Time]
    last_task_id: NotRequired[TaskId]
    last_status: NotRequired[Status]
    last_success_at: NotRequired[Time]
    last_failure_at: NotRequired[Time]
    last_error: NotRequired[Annotated[str, Field(description="why the last task failed, if it did")]]
    consecutive_failures: int
    tables: NotRequired[list[LoadedTable]]
    settings: NotRequired[
        Annotated[
            dict[str, Any],
            Field(description="Its keys with other values than the default, those that it inherits included."),
        ]
    ]
    digests: NotRequired[Digests]
    covers: NotRequired[Covered]


class Source(Pausable, Described):
    """A source that can be synchronised. If it is paused, all its collections are.

    `pool` and `digests` are there if `settings=true` asks for them.
    """

    id: str
    type: str
    destinations: list[str]
    pool: NotRequired[str]
    digests: NotRequired[Digests]
    collections: list[Collection]


class Destination(TypedDict):
    """A destination of the catalogue."""

    id: str
    type: str
    naming: Literal["as_is", "snake_case"]
    digests: Digests


class Problem(TypedDict):
    """What is wrong at a key of the catalogue; `place` is the file and line, if they are known."""

    path: str
    message: str
    place: NotRequired[str]


class RejectedSource(TypedDict):
    """A source whose newest version is rejected. While its previous version runs, it is listed as a source as well."""

    id: str
    problems: list[Problem]


class SourceList(TypedDict):
    """Every source of the catalogue; `config_problem` says why its newest version is not in use.

    `destinations` are there if `settings=true` asks for them.
    """

    sources: list[Source]
    destinations: NotRequired[list[Destination]]
    rejected: list[RejectedSource]
    config_problem: NotRequired[str]


class Readiness(TypedDict):
    """Whether requests can be served, and if not, why.

    Rejected sources and a rejected catalogue are reported, but do not make the process unready. `pages` is the path of
    the pages for people, if the process serves them.
    """

    status: Literal["ready", "not ready"]
    message: NotRequired[str]
    error: NotRequired[str]
    database: Literal["ok", "read-only", "moved", "refused", "unreachable"]
    schema_version: NotRequired[str]
    expected_schema_version: str
    draining: bool
    projection_lag_seconds: NotRequired[dict[str, float]]
    rejected: list[RejectedSource]
    config_problem: NotRequired[str]
    pages: NotRequired[str]


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
    if progress := row.get("progress"):
        document |= {"records_read": progress["records_read"], "bytes_read": progress["bytes_read"]}
        if (share := progress.get("share")) is not None:
            document["percent"] = round(100 * share, 1)
    return cast("Task", document)


def log_document(row: asyncpg.Record) -> LogLine:
    """A row of a task's log."""
    at, message, level, attempt, line = row["at"], row["message"], row["level"], row["attempt"], row["line"]
    return {"time": serializable_time(at), "message": message, "level": level, "attempt": attempt, "line": line}


def offers_document(source: str, offered: Iterable[Offered]) -> Offers:
    """Everything that a source offers, in the source's order."""
    return {
        "source": source,
        "collections": [
            {
                "name": each.name,
                "columns": [{"name": name, "type": kind} for name, kind in each.columns.items()],
                "primary_key": each.key,
                "cursor_fields": each.cursor_fields,
                "sync_modes": each.sync_modes,
            }
            for each in offered
        ],
    }


def drop_none(**fields: Any) -> dict[str, Any]:
    """The fields that are not None, in the given order, with formatted times."""
    return {
        name: format_time(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None
    }


def format_time(time: datetime) -> str:
    """A time as PostgreSQL's driver gives it (aware, UTC), always with microseconds."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def serializable_time(time: datetime) -> Any:
    """What `JsonAnswer` writes like `format_time`, but faster: the time itself, unless its microseconds are zero."""
    return time if time.microsecond else format_time(time)


def rejected_documents(catalogue: Catalogue) -> list[RejectedSource]:
    """The rejected sources, each with all of its problems."""
    return [
        {
            "id": source,
            "problems": [
                cast("Problem", drop_none(path=one.path, message=one.message, place=one.place or None))
                for one in problems
            ],
        }
        for source, problems in catalogue.rejected.items()
    ]


def with_outline(document: Source, outline: Outline) -> Source:
    """The document of a source, with what the catalogue says of it."""
    source = outline.sources[document["id"]]
    collections: list[Collection] = []
    for collection in document["collections"]:
        said = source.collections[collection["name"]]
        covers = cast("Covered", msgspec.to_builtins(said.covers))
        collections.append({**collection, "settings": said.settings, "digests": said.digests, "covers": covers})
    return {**document, "pool": source.pool, "digests": source.digests, "collections": collections}


def destination_documents(outline: Outline) -> list[Destination]:
    """What the catalogue says of each destination."""
    return [
        {"id": id_, "type": each.type, "naming": each.naming, "digests": each.digests}
        for id_, each in outline.destinations.items()
    ]
