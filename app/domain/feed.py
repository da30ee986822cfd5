"""An event as those who follow the feed see it: its place in the order of all events, and its envelope.

The envelope is that of CloudEvents 1.0 (https://github.com/cloudevents/spec, `spec.md` and the JSON format).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson

from app.domain import events
from app.domain.choices import unknown_name
from app.domain.task import task_id

if TYPE_CHECKING:
    from collections.abc import Collection

PREFIX: Final = "dev.syncline."

_WORD: Final = re.compile(r"[A-Z][a-z0-9]*")
_PAST: Final = r"[0-9]{1,19}(\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,10}(\.[0-9a-f]{8})?)?"
PLACE_PATTERN: Final = rf"^(now|{_PAST})$"
"""What `read_place` reads, as JSON Schema has it."""
PAST_PLACE_PATTERN: Final = rf"^{_PAST}$"
"""The same without `now`."""

_PLACE: Final = re.compile(PLACE_PATTERN)
_LAST_TASK: Final = UUID(int=2**128 - 1)
_LAST_VERSION: Final = 2**31 - 1
_LAST_POSITION: Final = 2**64 - 1
_CHECK_BITS: Final = 2**32 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event is in the order of all: by position, which its transaction has, then by task and version.

    As text it is `position.task.version.check`. The place after all events of a transaction is the position alone.

    After a failover that has lost the last events, positions are given out again, and the next event of the same task
    may even get the position of the one that was lost. `check`, which is made of the time of the event, tells the two
    apart; 0 if it is not known.
    """

    position: int
    task: UUID
    version: int
    check: int = field(default=0, compare=False)

    @classmethod
    def after_all_of(cls, position: int) -> Place:
        return cls(position, _LAST_TASK, _LAST_VERSION)

    @classmethod
    def of(cls, position: int, task: UUID, version: int, at: datetime) -> Place:
        """The place of an event of this time."""
        return cls(position, task, version, (at - _EPOCH) // _MICROSECOND & _CHECK_BITS)

    @property
    def key(self) -> tuple[int, UUID, int]:
        return self.position, self.task, self.version

    @property
    def is_event(self) -> bool:
        """Whether an event is there; otherwise it is after all of a transaction."""
        return self.version != _LAST_VERSION or self.task != _LAST_TASK

    def __str__(self) -> str:
        """As clients send it back."""
        if not self.is_event:
            return str(self.position)
        text = f"{self.position}.{self.task}.{self.version}"
        return f"{text}.{self.check:08x}" if self.check else text


BEGINNING: Final = Place.after_all_of(0)
"""Before all events."""

END: Final = Place.after_all_of(_LAST_POSITION)
"""After all events that there can be."""

NOW: Final = Place.after_all_of(_LAST_POSITION + 1)
"""After all events that can be read at the moment, whichever they are."""


def read_place(text: str) -> Place:
    """The place that a client sends; `now` is `NOW`.

    Raises:
        ValueError: it is not one.
    """
    if not _PLACE.fullmatch(text):
        raise ValueError("not a place")
    if text == "now":
        return NOW
    position, *event = text.split(".")
    if not event:
        return Place.after_all_of(int(position))
    task, version, *check = event
    return Place(int(position), UUID(task), min(int(version), _LAST_VERSION), int(check[0], 16) if check else 0)


def read_past_place(text: str) -> Place:
    """The place that a client sends, without `now`.

    Raises:
        ValueError: it is not one.
    """
    if text == "now":
        raise ValueError("not a place in the past")
    return read_place(text)


@cache
def public_type(type_: str) -> str:
    """The name of a type in the feed: `TaskFailed` is `task.failed`, `AttemptHandedBack` is `attempt.handed_back`."""
    return "_".join(_WORD.findall(type_)).replace("_", ".", 1).lower() or type_


def read_types(text: str) -> frozenset[str]:
    """The types of events that a client has listed, with commas between them, with or without `PREFIX` and version.

    Raises:
        ValueError: one of them does not exist.
    """
    known = {public_type(type_): type_ for type_ in events.TYPES}
    given = [re.sub(r"\.v[0-9]+$", "", part.strip().removeprefix(PREFIX)) for part in text.split(",")]
    if unknown := [name for name in given if name not in known]:
        raise ValueError(unknown_name("type of event", unknown[0], known))
    return frozenset(known[name] for name in given)


class FeedEvent(NamedTuple):
    """An event with the collection that it is about. `details` is the JSON of what this type of event says.

    A fact has no `status`, and no `collection` if it is about a whole source; nor a `source` if it is about none.
    """

    place: Place
    type: str
    v: int
    at: datetime
    status: str | None
    attempt: int
    worker: UUID | None
    source: str | None
    collection: str | None
    details: str

    @property
    def subject(self) -> str:
        """What it is about: `source/collection`, `source`, or nothing."""
        return f"{self.source}/{self.collection}" if self.source and self.collection else self.source or ""

    def envelope(self, installation: str) -> dict[str, Any]:
        """The event in the envelope of CloudEvents; `installation` is the URI of the store that it comes from."""
        return {
            "specversion": "1.0",
            "id": str(self.place),
            "source": installation,
            "type": f"{PREFIX}{public_type(self.type)}.v{self.v}",
            **({"subject": self.subject} if self.subject else {}),
            "time": self.at,
            "data": {**self._of_task(), "details": orjson.Fragment(self.details)},
        }

    def document(self, installation: str) -> str:
        """The envelope as JSON; times are in UTC."""
        return orjson.dumps(self.envelope(installation), option=orjson.OPT_UTC_Z).decode()

    def _of_task(self) -> dict[str, Any]:
        """What the event is about, with the task that it happened to unless it is a fact."""
        if self.source is None or self.collection is None or self.status is None:
            about = {"source": self.source, "collection": self.collection}
            return {name: value for name, value in about.items() if value is not None}
        return {
            "task_id": task_id(self.source, self.collection, self.place.task),
            "source": self.source,
            "collection": self.collection,
            "version": self.place.version,
            "status": self.status,
            "attempt": self.attempt,
            **({"worker": str(self.worker)} if self.worker else {}),
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of the feed a reader wants; None for all."""

    types: Collection[str] | None = None
    source: str | None = None
    collection: str | None = None

    @property
    def is_everything(self) -> bool:
        return self.types is None and self.source is None and self.collection is None

    def takes(self, event: FeedEvent) -> bool:
        """Whether the reader wants this event."""
        return (
            (self.types is None or event.type in self.types)
            and (self.source is None or event.source == self.source)
            and (self.collection is None or event.collection == self.collection)
        )


EVERYTHING: Final = Selection()


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for among the events: of `types` and not of `without`, perhaps of one task alone.

    `source`, `collection` and `by` (who has caused it) are parts of names, and all `words` are in the names of source
    and collection, in upper or lower case. None lets everything through.
    """

    types: Collection[str] | None = None
    without: Collection[str] = ()
    source: str | None = None
    collection: str | None = None
    by: str | None = None
    words: Collection[str] = ()
    task: UUID | None = None
