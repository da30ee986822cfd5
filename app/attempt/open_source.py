"""Opens the source of an attempt."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from msgspec import structs

from app.attempt.windows import read_by_windows
from app.connectors.kinds import SOURCES
from app.connectors.making import make_source

if TYPE_CHECKING:
    from pathlib import Path

    from app.attempt.report import WorkerLog
    from app.connectors.contract.passes import Source
    from app.domain.attempt_protocol import SourceJob


def open_source(job: SourceJob, *, work_dir: Path, log: WorkerLog) -> closing[Source]:
    """The source of `job`, closed at the end of the block; with an `interval` it reads windows of time."""
    current = with_renewed_config(job, log)
    return closing(read_by_windows(make_source(current, work_dir=work_dir, log=log), current, log=log))


def with_renewed_config(job: SourceJob, log: WorkerLog) -> SourceJob:
    """`job` with the configuration that an earlier program of the same process has renewed, if one did."""
    kind = SOURCES.get(job.source_type)
    if kind is None or not kind.renews or log.renewed_config is None:
        return job
    return structs.replace(job, renewed_config=log.renewed_config)
