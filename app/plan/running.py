"""What runs, as the API tells it: the outline of its catalogue, and the tables that it has loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from app.config.outline import CollectionOutline, DestinationOutline, Outline, SourceOutline
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Running:
    """`tables` are (destination, table) of each (source, collection), as its last load found them."""

    outline: Outline
    tables: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]


def read_running(document: Mapping[str, Any]) -> Running:
    """What `GET /sources?settings=true` has answered.

    Raises:
        ConfigurationError: the API is of a release that does not know `settings`.
    """
    if "destinations" not in document:
        raise ConfigurationError("the API is of an earlier release, which does not tell its settings: update it first")
    sources = document["sources"]
    return Running(
        Outline(
            {source["id"]: _source(source) for source in sources},
            {each["id"]: msgspec.convert(each, DestinationOutline) for each in document["destinations"]},
        ),
        {
            (source["id"], collection["name"]): tuple(
                (table["destination"], table["table"]) for table in collection.get("tables", ())
            )
            for source in sources
            for collection in source["collections"]
        },
    )


def _source(document: Mapping[str, Any]) -> SourceOutline:
    collections = {each["name"]: msgspec.convert(each, CollectionOutline) for each in document["collections"]}
    return msgspec.convert({**document, "collections": collections}, SourceOutline)
