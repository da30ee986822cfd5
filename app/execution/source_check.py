"""Checks whether a source works, and shows what it offers and its first rows, without copying anything."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from app.connectors.kinds import BY_COLLECTION, can_discover, no_discovery_error
from app.domain.attempt_protocol import (
    CatalogShown,
    Check,
    Checked,
    Discover,
    Offered,
    Preview,
    Previewed,
    ShowCatalog,
)
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.questions import answers_to, ask, redacting, say_nothing
from app.execution.trial_renewals import renewals_of_trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.sources import Source
    from app.domain.collection import Collection
    from app.execution.renewals import Renewals
    from app.store.renewals import RenewedConfigs

MOST_COLUMNS: Final = 500_000
"""Of all that a source offers. More are impractical to choose from, and the answer would take too much memory."""


async def check_source(
    catalogue: Catalogue,
    source_id: str,
    collection_id: str | None,
    *,
    data_dir: Path,
    now: datetime,
    renewed: RenewedConfigs | None = None,
    renewals: Renewals | None = None,
) -> None:
    """Let the connector check its configuration and the collection, or all collections if none is given.

    `renewed` has what connectors have renewed, and keeps what this one renews; or `renewals` do so.

    Raises:
        ConfigurationError: the catalogue does not have the source or the collection.
        SynclineError: the connector's own error for the first that fails, without secrets of the catalogue.
    """
    source = catalogue.find_source(source_id)
    names = list(source.collections) if collection_id is None else [catalogue.find(source_id, collection_id)[1].name]

    def raise_failure(answer: Checked) -> None:
        if answer.error is not None:
            raise (SynclineError if answer.retryable else ConfigurationError)(answer.error)

    renewals = renewals or renewals_of_trial(renewed)
    check = await renewals.lay_over(_check(source, names, data_dir=data_dir, now=now), catalogue.server.secret_key)
    await ask(check, Checked, raise_failure, redacting(catalogue, renewals), renewals=renewals)


async def check_collections(
    catalogue: Catalogue,
    source: Source,
    names: list[str],
    *,
    data_dir: Path,
    now: datetime,
    tell: Callable[[str], None] = say_nothing,
    renewed: RenewedConfigs | None = None,
) -> list[Checked]:
    """What the connector says of each of these collections, or of their parts, without secrets of the catalogue.

    All are checked in one process. If that ends early, each is checked in a process of its own.
    """
    renewals = renewals_of_trial(renewed, tell=tell)
    check = await renewals.lay_over(_check(source, names, data_dir=data_dir, now=now), catalogue.server.secret_key)
    try:
        return await answers_to(check, Checked, redacting(catalogue, renewals), tell=tell, renewals=renewals)
    except SynclineError as error:
        if len(names) == 1:
            return [Checked(names[0], error=str(error))]
        alone = partial(check_collections, catalogue, source, data_dir=data_dir, now=now, tell=tell, renewed=renewed)
        return [answer for name in names for answer in await alone([name])]


async def discover_source(
    catalogue: Catalogue,
    source_id: str,
    *,
    data_dir: Path,
    now: datetime,
    tell: Callable[[str], None] = say_nothing,
    renewed: RenewedConfigs | None = None,
    renewals: Renewals | None = None,
) -> list[Offered]:
    """Let the connector list everything that it offers; `renewed` and `renewals` as in `check_source`.

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
    renewals = renewals or renewals_of_trial(renewed, tell=tell)
    discover = Discover(**_job(source, collections, data_dir=data_dir, now=now))
    discover = await renewals.lay_over(discover, catalogue.server.secret_key)
    await ask(discover, Offered, offered.add, redacting(catalogue, renewals), tell=tell, renewals=renewals)
    return offered.all


async def read_catalog(
    catalogue: Catalogue, source_id: str, *, data_dir: Path, now: datetime, renewals: Renewals
) -> str:
    """Let the connector show its own catalog: JSON text, in the form of its protocol.

    Raises:
        ConfigurationError: the catalogue does not have the source, or its kind has no such connector.
        SynclineError: the connector's own error, without secrets of the catalogue.
    """
    source = catalogue.find_source(source_id)
    collections = list(source.collections.values())[:1]
    question = ShowCatalog(**_job(source, collections, data_dir=data_dir, now=now))
    question = await renewals.lay_over(question, catalogue.server.secret_key)
    answers = await answers_to(question, CatalogShown, redacting(catalogue, renewals), renewals=renewals)
    return answers[-1].catalog


async def preview_collection(
    catalogue: Catalogue,
    source: Source,
    collection: str,
    *,
    rows: int,
    data_dir: Path,
    now: datetime,
    tell: Callable[[str], None] = say_nothing,
    renewed: RenewedConfigs | None = None,
) -> list[Previewed]:
    """Let the connector read the first rows of a collection; nothing is loaded.

    Raises:
        SynclineError: the connector's own error, without secrets of the catalogue.
    """
    renewals = renewals_of_trial(renewed, tell=tell)
    destinations = {name: catalogue.destinations[name].for_attempt() for name in source.destinations}
    job = _job(source, [source.collections[collection]], data_dir=data_dir, now=now)
    preview = await renewals.lay_over(Preview(**job, rows=rows, destinations=destinations), catalogue.server.secret_key)
    return await answers_to(preview, Previewed, redacting(catalogue, renewals), tell=tell, renewals=renewals)


class _Offers:
    def __init__(self) -> None:
        self.all: list[Offered] = []
        self._columns = 0

    def add(self, offered: Offered) -> None:
        self.all.append(offered)
        self._columns += 1 + len(offered.columns)
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
