"""Pauses, and their ends."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import Done, Name, Note, TaskId, Time


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
