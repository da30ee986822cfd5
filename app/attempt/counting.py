"""Counts the rows of tables at a destination."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.attempt.report import WorkerLog
from app.connectors.contract.blame import destination_subject, prefix_errors
from app.connectors.contract.passes import Counting, Fence
from app.connectors.contract.standing import Standing
from app.connectors.making import make_destination
from app.domain.attempt_protocol import Counted, Finished
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import Destination
    from app.domain.attempt_protocol import CountRows

# That of no attempt: nothing is written with it.
_NOBODY: Final = Fence(
    task="",
    task_id="",
    attempt=0,
    claim=0,
    source="",
    collection="",
    generation=0,
    standing=Standing(reads="", writes=""),
)


def count_rows(job: CountRows, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports the rows of each table; one that cannot be counted does not keep the others.

    Raises:
        SynclineError: the destination cannot be reached.
    """
    made = make_destination(
        job.name,
        job.description,
        fence=_NOBODY,
        work_dir=work_dir,
        log=WorkerLog(pipe),
        data_dir=Path(job.data_dir).absolute(),
    )
    with closing(made) as destination:
        for table in job.tables:
            pipe.send(_count(destination, table, name=job.name))
    return Finished(records_read=0, rows_written=0)


def _count(destination: Destination, table: str, *, name: str) -> Counted:
    if not isinstance(destination, Counting):
        return Counted(table)
    try:
        with prefix_errors(destination_subject(name)):
            return Counted(table, destination.count_rows(table))
    except SynclineError as error:
        return Counted(table, error=str(error))
