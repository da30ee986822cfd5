"""Checks whether a source works, and discovers what it offers, without copying anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.connectors.kinds import BY_COLLECTION, can_discover, no_discovery_error
from app.domain.attempt_protocol import Check, Checked, Discover, Offered
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.questions import answers_to, ask, redacting_errors, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.sources import Source
    from app.domain.collection import Collection
    from app.execution.questions import Answer

MOST_COLUMNS: Final = 500_000
"""Of all that a source offers. More are impractical to choose from, and the answer would take too much memory."""


async def check_source(
    catalogue: Catalogue, source_id: str, collection_id: str | None, *, data_dir: Path, now: datetime
) -> None:
    """Let the connector check its configuration and the collection, or all collections if none is given.

    Raises:
        ConfigurationError: the catalogue does not have the source or the collection.
        SynclineError: the connector's own error for the first that fails, without secrets of the catalogue.
    """
    source = catalogue.find_source(source_id)
    names = list(source.collections) if collection_id is None else [catalogue.find(source_id, collection_id)[1].name]

    def raise_failure(answer: Answer) -> None:
        if isinstance(answer, Checked) and answer.error is not None:
            raise (SynclineError if answer.retryable else ConfigurationError)(answer.error)

    with redacting_errors(catalogue):
        await ask(_check(source, names, data_dir=data_dir, now=now), raise_failure)


async def check_collections(
    catalogue: Catalogue,
    source: Source,
    names: list[str],
    *,
    data_dir: Path,
    now: datetime,
    tell: Callable[[str], None] = say_nothing,
) -> list[Checked]:
    """What the connector says of each of these collections, or of their parts, without secrets of the catalogue.

    All are checked in one process. If that ends early, each is checked in a process of its own.
    """
    try:
        return await answers_to(_check(source, names, data_dir=data_dir, now=now), catalogue, tell=tell)
    except SynclineError as error:
        if len(names) == 1:
            return [Checked(names[0], error=str(error))]
        each = [await check_collections(catalogue, source, [n], data_dir=data_dir, now=now, tell=tell) for n in names]
        return [answer for found in each for answer in found]


async def discover_source(
    catalogue: Catalogue,
    source_id: str,
    *,
    data_dir: Path,
    now: datetime,
    tell: Callable[[str], None] = say_nothing,
) -> list[Offered]:
    """Let the connector list everything that it offers.

    Raises:
        ConfigurationError: the catalogue does not have the source, or its kind cannot be discovered.
        SynclineError: the connector's own error, without secrets of the catalogue.
    """
    source = catalogue.find_source(source_id)
    if not can_discover(source.type):
        raise no_discovery_error(source.type)
    collections = list(source.collections.values())
    if source.type not in BY_COLLECTION:
        collections = collections[:1]
    offered = _Offers()
    with redacting_errors(catalogue):
        await ask(Discover(**_job(source, collections, data_dir=data_dir, now=now)), offered.add, tell=tell)
    return offered.all


class _Offers:
    def __init__(self) -> None:
        self.all: list[Offered] = []
        self._columns = 0

    def add(self, answer: Answer) -> None:
        if isinstance(answer, Offered):
            self.all.append(answer)
            self._columns += 1 + len(answer.columns)
        if self._columns > MOST_COLUMNS:
            raise SynclineError(f"the source offers more than {MOST_COLUMNS} columns: too many to list")


def _check(source: Source, names: list[str], *, data_dir: Path, now: datetime) -> Check:
    return Check(**_job(source, [source.collections[name] for name in names], data_dir=data_dir, now=now))


def _job(source: Source, collections: list[Collection], *, data_dir: Path, now: datetime) -> dict[str, Any]:
    return {
        "source": source.id,
        "source_type": source.type,
        "source_config": source.config,
        "collections": [collection.for_attempt(now) for collection in collections],
        "data_dir": str(data_dir),
    }
