"""The sources of the catalogue, as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, cast

import msgspec
from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import TaskId, Time, drop_none
from app.domain.task import Status  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.config.outline import Outline


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
    next_start_at: NotRequired[
        Annotated[Time, Field(description="when the task of that fire time starts, if `spread` delays it")]
    ]
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
    naming: Literal["as_is", "snake_case", "classic"]
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
