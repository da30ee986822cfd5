"""Bookmarks that the API and the command line look at and set. Values are JSON text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.attempt.set_bookmarks import bookmark_problem
from app.connectors.contract.blame import collection_subject
from app.connectors.destinations.none.options import NONE
from app.connectors.values import jsontext
from app.domain.attempt_protocol import SourceJob
from app.domain.cause import NO_CAUSE, Cause
from app.domain.choices import unknown_name
from app.domain.errors import ConfigurationError
from app.domain.events import BOOKMARK_SAVED, BOOKMARK_SET
from app.domain.feed import NOW, Place
from app.domain.redaction import redact_json
from app.domain.task import task_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import asyncpg

    from app.config.catalogue import Catalogue
    from app.store.bookmarks import Bookmarks, BookmarksSet


@dataclass(frozen=True, slots=True)
class Change:
    """An event that has changed bookmarks. `bookmarks` has those that are new, by destination; None for no bookmark.

    A reset concerns all destinations, and names none.
    """

    place: Place
    at: datetime
    type: str
    task_id: str | None
    rows: int | None
    cause: Cause
    bookmarks: Mapping[str, str | None]


async def set_bookmarks(
    bookmarks: Bookmarks,
    catalogue: Catalogue,
    source: str,
    collection: str,
    given: Mapping[str, str | None],
    *,
    cause: Cause = NO_CAUSE,
) -> BookmarksSet:
    """Set the bookmarks of these destinations; None loads everything again there. Others keep theirs.

    Raises:
        CollectionBusyError: a task of the collection is running.
        ConfigurationError: a destination has no bookmark for the collection, or the source cannot begin at a value.
        UnknownSourceError, UnknownCollectionError: there is none with this name.
        UnsettledError: the bookmarks kept changing.
    """
    job = _job(catalogue, source, collection)
    keeping = keeping_destinations(catalogue, source)
    subject = collection_subject(source, collection)
    if not given:
        raise ConfigurationError(f"{subject}: no destination is named whose bookmark is to be set")
    for name, value in given.items():
        if name not in keeping:
            raise ConfigurationError(f"{subject}: {unknown_name('destination with a bookmark', name, keeping)}")
        if value is not None and (problem := _storage_problem(value) or bookmark_problem(value, job)):
            raise ConfigurationError(f"{subject}: this cannot be a bookmark: {problem}")
    return await bookmarks.set(source, collection, given, cause=cause)


def keeping_destinations(catalogue: Catalogue, source: str) -> list[str]:
    """The destinations of a source that keep rows, and so have bookmarks.

    Raises:
        UnknownSourceError: there is none with this name.
    """
    names = catalogue.find_source(source).destinations
    return [name for name in names if catalogue.destinations[name].type != NONE]


async def find_bookmarks(
    bookmarks: Bookmarks,
    source: str,
    collection: str,
    place: Place,
) -> dict[str, str | None]:
    """Get the bookmarks as they were after the event at a place; None where everything was to be loaded again.

    Raises:
        ConfigurationError: the store does not have that event, or all events up to that position.
    """
    if place == NOW:
        return {row["destination"]: row["bookmark"] for row in await bookmarks.list_current(source, collection)}
    if not await bookmarks.knows(place):
        raise ConfigurationError(
            f"the store does not have position {place}: it was removed by retention, or is of another store; "
            f"'syncline bookmarks list' shows those that there are"
        )
    return await bookmarks.list_at(source, collection, place)


async def find_settable(
    bookmarks: Bookmarks, catalogue: Catalogue, source: str, collection: str, place: Place
) -> dict[str, str | None]:
    """Get the bookmarks at a place that can be set now: those of the destinations that the source still has.

    Raises:
        ConfigurationError: there were none, or the store does not know.
    """
    at = await find_bookmarks(bookmarks, source, collection, place)
    found = {name: at[name] for name in keeping_destinations(catalogue, source) if name in at}
    if not any(found.values()):
        raise ConfigurationError(
            f"{collection_subject(source, collection)}: there was no bookmark at position {place}; to load everything, "
            "run 'syncline sources reset'"
        )
    return found


async def list_changes(
    bookmarks: Bookmarks, source: str, collection: str, *, limit: int, destination: str | None = None
) -> list[Change]:
    """List what has changed the bookmarks, newest first."""
    rows = await bookmarks.list_history(source, collection, limit=limit, destination=destination)
    return [_change(row, source, collection) for row in rows]


def masked(value: str, redact: Callable[[str], str]) -> str:
    """A value, as JSON text, without secrets."""
    return jsontext.encode(redact_json(jsontext.decode(value), redact))


def _change(row: asyncpg.Record, source: str, collection: str) -> Change:
    data, type_ = row["data"], row["type"]
    given: dict[str, str | None] = {}
    if type_ == BOOKMARK_SAVED:
        given = {data["destination"]: row["bookmark"]}
    elif type_ == BOOKMARK_SET:
        values = jsontext.decode(row["bookmark"])
        # Those that were given by an earlier event, and not used since, have another number.
        given = {
            name: jsontext.encode(values[name]) if name in values else None
            for name, number in data["given"].items()
            if number == 0
        }
    return Change(
        place=Place(row["xid"], row["task"], row["version"]),
        at=row["at"],
        type=type_,
        task_id=task_id(source, collection, row["task"]) if type_ == BOOKMARK_SAVED else None,
        rows=data.get("rows"),
        cause=Cause.of(data),
        bookmarks=given,
    )


def _job(catalogue: Catalogue, source: str, collection: str) -> SourceJob:
    owner, found = catalogue.find(source, collection)
    return SourceJob(
        source=owner.id,
        source_type=owner.type,
        source_config=owner.config,
        collection=found.for_attempt(datetime.now(UTC)),
        data_dir="",
    )


def _storage_problem(value: str) -> str | None:
    """Why the store could not keep it as it is: NUL and lone surrogates, which jsonb refuses."""
    try:
        text = jsontext.encode(jsontext.decode(value))
        text.encode()
    except (ValueError, RecursionError):
        return "it is not valid JSON"
    return "it has a NUL character" if "\\u0000" in text.replace("\\\\", "") else None
