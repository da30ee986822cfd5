"""Sources of types that only Jitsu Classic had: checking a catalogue reports how they are replaced."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from app.connectors.kinds import SOURCES
from app.connectors.options.types import NoParameters
from app.connectors.options.validation import validated
from app.connectors.sources.classic.mapping import DRIVERS, NoLongerReadError
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.entry import Entry
    from app.connectors.options.complaints import KeyPath
    from app.domain.collection import Collection, CollectionJob


def check_classic(
    entry: Entry, source_type: str, config: dict[str, Any], collections: Sequence[Collection]
) -> list[Collection]:
    """Those of `collections` that a current connector can read; why not the others, and what differs, is in `entry`.

    A collection that only Classic could read is left out with a warning, if there are others. `config` and the
    parameters of the collections must be valid. For other source types there is nothing to note.
    """
    mapped_from = DRIVERS.get(source_type)
    if mapped_from is None:
        return list(collections)
    kept: list[Collection] = []
    left_out: list[tuple[KeyPath, str]] = []
    kind = SOURCES[source_type]
    options = kind.options.model_validate(config)
    for index, written in enumerate(collections):
        path: KeyPath = ("collections", index)
        # A mapping only passes the day on, so any will do.
        collection = written.for_attempt(dt.datetime.max.replace(tzinfo=dt.UTC))
        try:
            parameters = (kind.parameters or NoParameters).model_validate(collection.parameters)
            mapped = mapped_from(options, parameters, collection)
            _check_target(mapped.source_type, mapped.config, mapped.collection)
        except NoLongerReadError as error:
            left_out.append((path, str(error)))
        except ConfigurationError as error:
            entry.refuse(path, str(error))
        else:
            kept.append(written)
            for warning in mapped.warnings:
                entry.warn(path, warning)
    for path, why in left_out:
        if kept:
            entry.warn(path, f"is left out: {why}")
        else:
            entry.refuse(path, why)
    return kept


def _check_target(source_type: str, config: dict[str, Any], collection: CollectionJob) -> None:
    """The connector that replaces it may need packages that are not installed."""
    kind = SOURCES[source_type]
    for model, given in ((kind.options, config), (kind.parameters, collection.parameters)):
        if model is not None:
            validated(model, given, key_path=source_type)
