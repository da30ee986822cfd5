"""Sources for one command: read from the catalogue, and tested or discovered in processes of their own."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from app.bootstrap.environment import config_path, substitution_environment
from app.config.reader import load_catalogue
from app.domain.errors import SynclineError
from app.execution.source_check import check_source, discover_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.problems import Problem
    from app.config.settings import Settings
    from app.config.sources import Source
    from app.domain.attempt_protocol import Offered


def catalogue_of(settings: Settings, config: Path | None, *, without_collections: bool = False) -> Catalogue:
    """The catalogue that the command names; with `without_collections` its sources need none.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    path = config_path(settings, config)
    return load_catalogue(path, substitution_environment(settings), without_collections=without_collections)


async def test_collections(
    settings: Settings,
    catalogue: Catalogue,
    source: Source,
    names: Sequence[str],
    *,
    report: Callable[[str, Problem | None], None],
) -> int:
    """Report each collection with its problem, or None if it works; no text has a secret. Returns how many failed.

    All are tested in one process. It stops at the first problem, so after one each is tested in a process of its own.
    """

    async def find_problem(collection: str | None) -> SynclineError | None:
        try:
            await check_source(catalogue, source.id, collection, data_dir=settings.data_dir.absolute(), now=_now())
        except SynclineError as error:
            return error
        return None

    together = len(names) == len(source.collections) > 1 and not await find_problem(None)
    failed = 0
    for name in names:
        error = None if together else await find_problem(name)
        report(name, source.problem_in(name, str(error)) if error else None)
        failed += error is not None
    return failed


async def offers_of(settings: Settings, catalogue: Catalogue, source: str) -> list[Offered]:
    """What the source offers; raises what keeps it from telling, without a secret."""
    return await discover_source(catalogue, source, data_dir=settings.data_dir.absolute(), now=_now())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
