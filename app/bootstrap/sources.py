"""Sources for one command: read from the catalogue, tried and asked in a process of their own, without the service."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from app.bootstrap.environment import config_path, substitution_environment
from app.config.reader import load_catalogue
from app.execution.source_check import check_source, discover_source

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.domain.attempt_protocol import Offered


def catalogue_of(settings: Settings, config: Path | None, *, without_collections: bool = False) -> Catalogue:
    """The catalogue that the command names; with `without_collections` its sources need none.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    path = config_path(settings, config)
    return load_catalogue(path, substitution_environment(settings), without_collections=without_collections)


async def test_source(settings: Settings, catalogue: Catalogue, source: str, collection: str | None) -> None:
    """Raises what is wrong with the source, without a secret."""
    await check_source(catalogue, source, collection, data_dir=settings.data_dir.absolute(), now=_now())


async def offers_of(settings: Settings, catalogue: Catalogue, source: str) -> list[Offered]:
    """What the source offers; raises what keeps it from telling, without a secret."""
    return await discover_source(catalogue, source, data_dir=settings.data_dir.absolute(), now=_now())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
