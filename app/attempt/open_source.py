"""Opens the source of an attempt."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from app.attempt.windows import read_by_windows
from app.connectors.making import make_source

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.passes import Log, Source
    from app.domain.attempt_protocol import SourceJob


def open_source(job: SourceJob, *, work_dir: Path, log: Log) -> closing[Source]:
    """The source of `job`, closed at the end of the block; with an `interval` it reads windows of time."""
    return closing(read_by_windows(make_source(job, work_dir=work_dir, log=log), job, log=log))
