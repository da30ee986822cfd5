"""Commands about sources, which need no running service: each asks the connector in a child process."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from app.bootstrap.data_dir import prepare_data_dir
from app.bootstrap.environment import config_path, substitution_environment
from app.bootstrap.renewals import renewed_configs
from app.config.reader import load_catalogue
from app.connectors.kinds import SOURCES
from app.connectors.options.validation import validated
from app.domain.errors import SynclineError
from app.execution.row_counting import count_rows
from app.execution.source_check import discover_source, preview_collection
from app.execution.specification import ask_specification
from app.execution.table_dropping import ask_about_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.domain.attempt_protocol import Offered, OwnTable, Previewed


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
    data_dir, now = data_dir_of(settings), dt.datetime.now(dt.UTC)
    async with renewed_configs(settings, catalogue, catalogue.find_source(source), tell=tell) as renewed:
        return await discover_source(catalogue, source, data_dir=data_dir, now=now, tell=tell, renewed=renewed)


async def specification_of(
    settings: Settings, source_type: str, origin: dict[str, Any], *, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Ask a connector, given by its package or image, which configuration it needs; a JSON Schema.

    Raises:
        ConfigurationError: the package is not one of this type, or does not say what it needs.
    """
    validated(SOURCES[source_type].options, origin, key_path="config")
    data_dir, now = data_dir_of(settings), dt.datetime.now(dt.UTC)
    return await ask_specification(source_type, origin, data_dir=data_dir, now=now, tell=tell)


async def preview_of(
    settings: Settings, catalogue: Catalogue, source: str, collection: str, *, rows: int, tell: Callable[[str], None]
) -> list[Previewed]:
    """Read the first rows of a collection, and what its columns become; errors and values contain no secrets.

    `tell` gets a line about what takes long.
    """
    data_dir, now, owner = data_dir_of(settings), dt.datetime.now(dt.UTC), catalogue.find_source(source)
    async with renewed_configs(settings, catalogue, owner, tell=tell) as renewed:
        return await preview_collection(
            catalogue, owner, collection, rows=rows, data_dir=data_dir, now=now, tell=tell, renewed=renewed
        )


async def tables_of(settings: Settings, catalogue: Catalogue, source: str, collection: str) -> list[OwnTable]:
    """List the tables that a collection has loaded into; errors contain no secrets."""
    found: list[OwnTable] = []
    data_dir, now = data_dir_of(settings), dt.datetime.now(dt.UTC)
    await ask_about_tables(catalogue, source, collection, data_dir=data_dir, now=now, receive=found.append)
    return found


async def rows_of(
    settings: Settings,
    catalogue: Catalogue,
    tables: Iterable[tuple[str, str]],
    *,
    tell: Callable[[str], None],
) -> dict[tuple[str, str], int]:
    """Count the rows of tables, given by destination and name; `tell` gets a line for each that cannot be counted."""
    by_destination: dict[str, list[str]] = {}
    for destination, table in dict.fromkeys(tables):
        if destination in catalogue.destinations:
            by_destination.setdefault(destination, []).append(table)
    rows: dict[tuple[str, str], int] = {}
    for destination, names in by_destination.items():
        try:
            counted = await count_rows(catalogue, destination, names, data_dir=data_dir_of(settings), tell=tell)
        except SynclineError as error:
            tell(f"rows are not counted: {error}")
            continue
        for each in counted:
            if each.error:
                tell(f"rows are not counted: {each.error}")
            elif each.rows is not None:
                rows[destination, each.table] = each.rows
    return rows


async def drop_tables_of(
    settings: Settings,
    catalogue: Catalogue,
    source: str,
    collection: str,
    tables: Sequence[OwnTable],
    *,
    receive: Callable[[OwnTable], None],
    tell: Callable[[str], None],
) -> None:
    """Drop these tables; `receive` gets each as soon as it is known what became of it.

    `tell` gets a line now and then while a destination is waited for. Nothing contains secrets.
    """
    wanted: dict[str, list[str]] = {}
    for each in tables:
        wanted.setdefault(each.destination, []).append(each.table)
    data_dir, now = data_dir_of(settings), dt.datetime.now(dt.UTC)
    await ask_about_tables(
        catalogue, source, collection, data_dir=data_dir, now=now, drop=wanted, receive=receive, tell=tell
    )


def data_dir_of(settings: Settings) -> Path:
    """The data directory, which is created if it is missing."""
    path = settings.data_dir.absolute()
    prepare_data_dir(path)
    return path
