"""Sources of types that only Jitsu Classic had: checking a catalogue reports how they are replaced."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from app.connectors.kinds import SOURCES
from app.connectors.options.types import NoParameters
from app.connectors.options.validation import validated
from app.connectors.sources.classic.mapping import DRIVERS
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.entry import Entry
    from app.domain.collection import Collection, CollectionJob


def check_classic(entry: Entry, source_type: str, config: dict[str, Any], collections: Sequence[Collection]) -> None:
    """Note in `entry` which of its `collections` no current connector can read, and what differs for the others.

    `config` and the parameters of the collections must be valid. For other source types there is nothing to note.
    """
    mapped_from = DRIVERS.get(source_type)
    if mapped_from is None:
        return
    kind = SOURCES[source_type]
    options = kind.options.model_validate(config)
    for index, written in enumerate(collections):
        path = ("collections", index)
        # A mapping only passes the day on, so any will do.
        collection = written.for_attempt(dt.datetime.max.replace(tzinfo=dt.UTC))
        try:
            parameters = (kind.parameters or NoParameters).model_validate(collection.parameters)
            mapped = mapped_from(options, parameters, collection)
            _check_target(mapped.source_type, mapped.config, mapped.collection)
        except ConfigurationError as error:
            entry.refuse(path, str(error))
        else:
            for warning in mapped.warnings:
                entry.warn(path, warning)


def _check_target(source_type: str, config: dict[str, Any], collection: CollectionJob) -> None:
    """The connector that replaces it may need packages that are not installed."""
    kind = SOURCES[source_type]
    for model, given in ((kind.options, config), (kind.parameters, collection.parameters)):
        if model is not None:
            validated(model, given, key_path=source_type)
