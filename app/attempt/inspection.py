"""Checks a source or a destination, or asks a source what it offers and needs, without copying anything."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.attempt.open_source import open_source, with_renewed_config
from app.attempt.report import WorkerLog
from app.connectors.contract.offers import Cataloguing, Discovering, Specifying
from app.connectors.contract.passes import Divided
from app.connectors.kinds import no_discovery_error
from app.connectors.making import make_source, try_destination
from app.connectors.sources.classic.jobs import rename_offers
from app.connectors.values import jsontext
from app.domain.attempt_protocol import CatalogShown, Checked, Finished, Specified
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import Source
    from app.domain.attempt_protocol import Check, Discover, ShowCatalog, Specify, TryDestination

_SEVERAL: Final = 2


def check(job: Check, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports of each collection, or of each part of it, whether it can be read as configured."""
    log = WorkerLog(pipe)
    for source_job in job.each():
        name = source_job.collection.name
        try:
            with open_source(source_job, work_dir=work_dir, log=log) as source:
                parts = source.parts() if isinstance(source, Divided) else []
                if not isinstance(source, Divided) or len(parts) < _SEVERAL:
                    pipe.send(_outcome(name, source.check))
                else:
                    for part in parts:
                        pipe.send(_outcome(name, partial(source.check_part, part), part=part))
        except SynclineError as error:
            pipe.send(_failure(name, error))
    return Finished(records_read=0, rows_written=0)


def _outcome(name: str, check: Callable[[], str | None], *, part: str = "") -> Checked:
    try:
        return Checked(name, part, found=check() or "")
    except SynclineError as error:
        return _failure(name, error, part=part)


def _failure(name: str, error: SynclineError, *, part: str = "") -> Checked:
    retryable = not isinstance(error, ConfigurationError)
    return Checked(name, part, error=" ".join(str(error).split()), retryable=retryable)


def discover(job: Discover, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports everything that the source offers, each name once.

    Raises:
        ConfigurationError: sources of this type cannot be discovered.
    """
    seen: set[str] = set()
    log = WorkerLog(pipe)
    for source_job in job.each():
        with closing(make_source(with_renewed_config(source_job, log), work_dir=work_dir, log=log)) as source:
            if not isinstance(source, Discovering):
                raise no_discovery_error(job.source_type)
            for offered in rename_offers(source_job, source.discover()):
                if offered.name not in seen:
                    pipe.send(offered)
                seen.add(offered.name)
    return Finished(records_read=0, rows_written=0)


def specify(job: Specify, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports which configuration the connector asks for.

    Raises:
        ConfigurationError: sources of this type have no connector that says so.
    """

    def ask(source: Source) -> Specified | None:
        return Specified(source.specification()) if isinstance(source, Specifying) else None

    return _ask_connector(job, ask, wanted="connector that describes itself", work_dir=work_dir, pipe=pipe)


def show_catalog(job: ShowCatalog, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports the connector's own catalog.

    Raises:
        ConfigurationError: sources of this type have no connector with a catalog.
    """

    def ask(source: Source) -> CatalogShown | None:
        return CatalogShown(jsontext.encode(source.catalog())) if isinstance(source, Cataloguing) else None

    return _ask_connector(job, ask, wanted="connector with a catalog of its own", work_dir=work_dir, pipe=pipe)


def _ask_connector(
    job: Specify | ShowCatalog,
    ask: Callable[[Source], Specified | CatalogShown | None],
    *,
    wanted: str,
    work_dir: Path,
    pipe: WorkerPipe,
) -> Finished:
    """Reports what `ask` gets from the source; None if it has no connector as `wanted`."""
    (source_job,) = job.each()
    with closing(make_source(source_job, work_dir=work_dir, log=WorkerLog(pipe))) as source:
        answer = ask(source)
        if answer is None:
            raise ConfigurationError(f"a source of type {job.source_type!r} has no {wanted}")
        pipe.send(answer)
    return Finished(records_read=0, rows_written=0)


def try_out(job: TryDestination, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports whether the destination can be written to."""
    data_dir = Path(job.data_dir).absolute()
    trial = partial(
        try_destination, job.name, job.description, work_dir=work_dir, data_dir=data_dir, log=WorkerLog(pipe)
    )
    pipe.send(_outcome(job.name, trial))
    return Finished(records_read=0, rows_written=0)
