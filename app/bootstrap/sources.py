"""Commands about sources, which need no running service: each asks the connector in a child process."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from app.bootstrap.data_dir import prepare_data_dir
from app.bootstrap.environment import config_path, substitution_environment
from app.config.reader import load_catalogue
from app.execution.source_check import check_source, discover_source

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.domain.attempt_protocol import Offered


def catalogue_of(settings: Settings, config: Path | None, *, without_collections: bool = False) -> Catalogue:
    """Load the command's catalogue; `without_collections` accepts sources without collections.

    Raises:
        ConfigurationError: no catalogue is given, or it cannot be used.
    """
    path = config_path(settings, config)
    return load_catalogue(path, substitution_environment(settings), without_collections=without_collections)


async def test_source(settings: Settings, catalogue: Catalogue, source: str, collection: str | None) -> None:
    """Raise an error if the source does not work; its message contains no secrets."""
    await check_source(catalogue, source, collection, data_dir=_data_dir(settings), now=_now())


async def offers_of(settings: Settings, catalogue: Catalogue, source: str) -> list[Offered]:
    """List what the source offers, or raise an error whose message contains no secrets."""
    return await discover_source(catalogue, source, data_dir=_data_dir(settings), now=_now())


def _data_dir(settings: Settings) -> Path:
    path = settings.data_dir.absolute()
    prepare_data_dir(path)
    return path


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
