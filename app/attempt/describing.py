"""Says which types columns get at destinations, before there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.attempt.report import WorkerLog
from app.connectors.contract.schema import Table, parse_type
from app.connectors.making import plan_tables
from app.domain.attempt_protocol import ColumnTypes, Finished
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from pathlib import Path

    from app.attempt.worker_pipe import WorkerPipe
    from app.domain.attempt_protocol import DescribeTypes

# It is not made. One of this name would decide about its columns.
_TABLE: Final = "syncline_column_types"


def describe_types(job: DescribeTypes, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports the types of each destination: those of a table that has a column of each type."""
    fields = {f"c{number}": name for number, name in enumerate(job.types)}
    parsed = {field: parse_type(name) for field, name in fields.items()}
    table = Table(
        _TABLE,
        {field: kind for field, (kind, _) in parsed.items()},
        digits={field: digits for field, (_, digits) in parsed.items() if digits},
    )
    log = WorkerLog(pipe)
    for name, description in job.destinations.items():
        try:
            planned = plan_tables(name, description, [table], work_dir=work_dir, log=log)
        except SynclineError as error:
            pipe.send(ColumnTypes(name, error=" ".join(str(error).split())))
        else:
            types = {fields[field]: type_ for each in planned for field, (_, type_) in each.columns.items()}
            pipe.send(ColumnTypes(name, types))
    return Finished(records_read=0, rows_written=0)
