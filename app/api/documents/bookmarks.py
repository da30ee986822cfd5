"""Bookmarks, and what has changed them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import CollectionChoice, Done, EventId, TaskId, Time
from app.domain.feed import PAST_PLACE_PATTERN


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
