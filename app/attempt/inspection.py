"""Checks a source, or discovers what it offers, without copying anything."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from app.attempt.open_source import open_source
from app.attempt.report import WorkerLog
from app.connectors.contract.offers import Discovering
from app.connectors.kinds import no_discovery_error
from app.connectors.making import make_source
from app.connectors.sources.classic.jobs import rename_offers
from app.domain.attempt_protocol import Checked, Finished

if TYPE_CHECKING:
    from pathlib import Path

    from app.attempt.worker_pipe import WorkerPipe
    from app.domain.attempt_protocol import Check, Discover


def check(job: Check, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports each collection that can be read as configured; raises the source's error for the first that cannot."""
    for source_job in job.each():
        with open_source(source_job, work_dir=work_dir, log=WorkerLog(pipe)) as source:
            source.check()
        pipe.send(Checked(source_job.collection.name))
    return Finished(records_read=0, rows_written=0)


def discover(job: Discover, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports everything that the source offers, each name once.

    Raises:
        ConfigurationError: sources of this type cannot be discovered.
    """
    seen: set[str] = set()
    for source_job in job.each():
        with closing(make_source(source_job, work_dir=work_dir, log=WorkerLog(pipe))) as source:
            if not isinstance(source, Discovering):
                raise no_discovery_error(job.source_type)
            for offered in rename_offers(source_job, source.discover()):
                if offered.name not in seen:
                    pipe.send(offered)
                seen.add(offered.name)
    return Finished(records_read=0, rows_written=0)
