"""Commands about sources, which need no running service: each asks the connector in a child process."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from app.bootstrap.data_dir import prepare_data_dir
from app.bootstrap.environment import config_path, substitution_environment
from app.config.reader import load_catalogue
from app.execution.source_check import discover_source
from app.execution.table_dropping import own_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.domain.attempt_protocol import Offered, OwnTable


def catalogue_of(settings: Settings, config: Path | None, *, without_collections: bool = False) -> Catalogue:
    """Load the command's catalogue; `without_collections` accepts sources without collections.

    Raises:
        ConfigurationError: no catalogue is given, or it cannot be used.
    """
    path = config_path(settings, config)
    return load_catalogue(path, substitution_environment(settings), without_collections=without_collections)


async def offers_of(
    settings: Settings, catalogue: Catalogue, source: str, *, tell: Callable[[str], None]
) -> list[Offered]:
    """List what the source offers, or raise an error whose message contains no secrets.

    `tell` gets a line about what takes long.
    """
    now = dt.datetime.now(dt.UTC)
    return await discover_source(catalogue, source, data_dir=data_dir_of(settings), now=now, tell=tell)


async def tables_of(
    settings: Settings, catalogue: Catalogue, source: str, collection: str, *, drop: Sequence[OwnTable] = ()
) -> list[OwnTable]:
    """List the tables that a collection has loaded into, after dropping those in `drop`; errors contain no secrets."""
    wanted: dict[str, list[str]] = {}
    for each in drop:
        wanted.setdefault(each.destination, []).append(each.table)
    now = dt.datetime.now(dt.UTC)
    return await own_tables(catalogue, source, collection, data_dir=data_dir_of(settings), now=now, drop=wanted)


def data_dir_of(settings: Settings) -> Path:
    """The data directory, which is created if it is missing."""
    path = settings.data_dir.absolute()
    prepare_data_dir(path)
    return path
