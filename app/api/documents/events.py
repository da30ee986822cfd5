"""The feed of events."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import Error, TaskId, Time
from app.domain.task import Status  # noqa: TC001 - pydantic reads the annotations


class GoneError(Error):
    """The events that were asked for are not all there any more; `first` is the place from which they are."""

    first: str


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
