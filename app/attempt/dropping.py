"""Drops the tables that a collection has loaded into, so that its next load makes them anew."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from app.attempt.report import WorkerLog
from app.connectors.contract.blame import destination_subject, prefix_errors
from app.connectors.contract.passes import Dropping, Fence
from app.connectors.contract.standing import Standing
from app.connectors.making import make_destination
from app.domain.attempt_protocol import Finished, OwnTable
from app.domain.errors import ConfigurationError
from app.domain.naming import AS_IS

if TYPE_CHECKING:
    from app.attempt.worker_pipe import WorkerPipe
    from app.domain.attempt_protocol import DropTables
    from app.domain.naming import Naming


def drop_tables(job: DropTables, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Reports the collection's tables in each destination, and drops the confirmed ones.

    A table that other collections load into stays.

    Raises:
        ConfigurationError: a destination does not know its tables.
    """
    for name, description in job.destinations.items():
        made = make_destination(
            name,
            description,
            fence=_fence(job, naming=description.get("naming", AS_IS)),
            work_dir=work_dir,
            log=WorkerLog(pipe),
            data_dir=Path(job.data_dir).absolute(),
        )
        with closing(made) as destination, prefix_errors(destination_subject(name)):
            if not isinstance(destination, Dropping):
                raise ConfigurationError(
                    "it cannot drop its tables: drop them yourself, then run the command without --drop"
                )
            confirmed = job.confirmed.get(name, [])
            for table, shared in destination.own_tables().items():
                dropped = table in confirmed and not shared
                if dropped:
                    destination.drop_table(table)
                pipe.send(OwnTable(name, table, shared=shared, dropped=dropped))
    return Finished(records_read=0, rows_written=0)


def _fence(job: DropTables, *, naming: Naming) -> Fence:
    """That of no attempt: nothing is written with it."""
    return Fence(
        task="",
        task_id="",
        attempt=0,
        claim=0,
        source=job.source,
        collection=job.collection.name,
        generation=job.generation,
        standing=Standing.of(job).in_naming(naming),
    )
