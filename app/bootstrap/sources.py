"""Commands about sources, which need no running service: each asks the connector in a child process."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from app.bootstrap.data_dir import prepare_data_dir
from app.bootstrap.environment import config_path, substitution_environment
from app.config.catalogue import place_of_sources
from app.config.problems import Problem, problem_at
from app.config.reader import CatalogueReader, load_catalogue
from app.domain.collection import ALL
from app.domain.errors import SynclineError
from app.execution.source_check import check_source, discover_source
from app.execution.table_dropping import own_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.config.sources import Source
    from app.connectors.options.complaints import KeyPath
    from app.domain.attempt_protocol import Offered, OwnTable


def catalogue_of(settings: Settings, config: Path | None, *, without_collections: bool = False) -> Catalogue:
    """Load the command's catalogue; `without_collections` accepts sources without collections.

    Raises:
        ConfigurationError: no catalogue is given, or it cannot be used.
    """
    path = config_path(settings, config)
    return load_catalogue(path, substitution_environment(settings), without_collections=without_collections)


async def test_collections(
    settings: Settings,
    catalogue: Catalogue,
    source: Source,
    names: Sequence[str],
    *,
    report: Callable[[str, str | None], None],
) -> int:
    """Report each collection with its error, or None if it works; no text has a secret. Returns how many failed.

    All are tested in one process. It stops at the first error, so after one each is tested in a process of its own.
    """
    data_dir = _data_dir(settings)

    async def find_error(collection: str | None) -> str | None:
        try:
            await check_source(catalogue, source.id, collection, data_dir=data_dir, now=_now())
        except SynclineError as error:
            return str(error)
        return None

    all_work = len(names) == len(source.collections) > 1 and await find_error(None) is None
    failed = 0
    for name in names:
        error = None if all_work else await find_error(name)
        report(name, error)
        failed += error is not None
    return failed


def locate(settings: Settings, config: Path | None, source: Source, collection: str, message: str) -> Problem:
    """What is wrong with a collection, with its key, file and line. Reads the catalogue's texts again.

    Raises:
        CatalogueError: they can no longer be read.
    """
    texts = CatalogueReader(config_path(settings, config), substitution_environment(settings)).read()
    path: KeyPath = ("sources", source.id)
    if collection != ALL:
        path += ("collections", list(source.collections).index(collection))
    return problem_at(path, message, place_of_sources(*texts))


async def offers_of(settings: Settings, catalogue: Catalogue, source: str) -> list[Offered]:
    """List what the source offers, or raise an error whose message contains no secrets."""
    return await discover_source(catalogue, source, data_dir=_data_dir(settings), now=_now())


async def tables_of(
    settings: Settings, catalogue: Catalogue, source: str, collection: str, *, drop: Sequence[OwnTable] = ()
) -> list[OwnTable]:
    """List the tables that a collection has loaded into, after dropping those in `drop`; errors contain no secrets."""
    wanted: dict[str, list[str]] = {}
    for each in drop:
        wanted.setdefault(each.destination, []).append(each.table)
    return await own_tables(catalogue, source, collection, data_dir=_data_dir(settings), now=_now(), drop=wanted)


def _data_dir(settings: Settings) -> Path:
    path = settings.data_dir.absolute()
    prepare_data_dir(path)
    return path


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
