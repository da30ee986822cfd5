"""Sources for one command: read from the catalogue, tried and asked in a process of their own, without the service."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.bootstrap.environment import config_path, substitution_environment
from app.config.reader import load_catalogue
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.redaction import Redactor
from app.execution.source_check import check_source, discover_source

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    with _redacted(catalogue):
        await check_source(catalogue, source, collection, data_dir=settings.data_dir.absolute(), now=_now())


async def offers_of(settings: Settings, catalogue: Catalogue, source: str) -> list[Offered]:
    """What the source offers; raises what keeps it from telling, without a secret."""
    with _redacted(catalogue):
        return await discover_source(catalogue, source, data_dir=settings.data_dir.absolute(), now=_now())


@contextmanager
def _redacted(catalogue: Catalogue) -> Iterator[None]:
    try:
        yield
    except SynclineError as error:
        shown = Redactor(catalogue.secrets()).redact(str(error))
        if shown == str(error):
            raise
        raise (ConfigurationError if isinstance(error, ConfigurationError) else SynclineError)(shown) from None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
