"""The source of an attempt, as its collection is to be read."""

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
    """Reads windows of time if the collection says so; closed at the end of the block."""
    return closing(read_by_windows(make_source(job, work_dir=work_dir, log=log), job, log=log))
