"""What documents of several subjects are made of. Times that have not come are absent; fields keep their order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.domain.cause import LONGEST_NOTE, NOTE_PATTERN

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
EventId = Annotated[str, Field(description="the id of an event in the feed")]


class Error(TypedDict):
    """What went wrong. `error` gives details, if there are any; for a 500 it is the id to look for in the log."""

    message: str
    error: NotRequired[str]


class Done(TypedDict):
    """Success."""

    status: Literal["ok"]


class CollectionChoice(TypedDict):
    """A collection of a source."""

    source: Name
    collection: Name
    note: NotRequired[Note | None]


class CacheChoice(TypedDict):
    """A source, or one collection of it. All of it may be in the query instead."""

    source: Name
    collection: NotRequired[Annotated[str, Field(json_schema_extra={"pattern": NAME_PATTERN})] | None]
    delete_warehouse_data: NotRequired[bool | None]
    note: NotRequired[Note | None]


class SourceChoice(TypedDict):
    """A source, or one collection of it."""

    source: Name
    collection: NotRequired[Annotated[str, Field(json_schema_extra={"pattern": NAME_PATTERN})] | None]


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
