"""Drops the tables that a collection has loaded into, so that its next load makes them anew."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from app.attempt.report import WorkerLog
from app.connectors.contract.blame import destination_subject, prefix_errors
from app.connectors.contract.passes import Dropping, Fence
from app.connectors.contract.standing import Standing
from app.connectors.making import make_destination
from app.domain.attempt_protocol import Finished, OwnTable
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.naming import AS_IS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import Destination
    from app.domain.attempt_protocol import DropTables
    from app.domain.naming import Naming


def drop_tables(job: DropTables, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Drops the confirmed tables of the collection; if none are confirmed, reports those that it has.

    Raises:
        ConfigurationError: a destination does not know its tables.
        SynclineError: the tables of a destination cannot be listed.
    """
    drops = _Drops(job, work_dir=work_dir, log=WorkerLog(pipe))
    for name in job.destinations:
        for each in drops.drop(name, job.confirmed.get(name, [])) if job.confirmed else drops.report(name):
            pipe.send(each)
    return Finished(records_read=0, rows_written=0)


class _Drops:
    """What is done at each destination of the job."""

    def __init__(self, job: DropTables, *, work_dir: Path, log: WorkerLog) -> None:
        self._job = job
        self._work_dir = work_dir
        self._log = log

    def report(self, name: str) -> Iterator[OwnTable]:
        with closing(self._make(name)) as destination:
            for table, shared in _own_tables(name, destination).items():
                yield OwnTable(name, table, shared=shared)

    def drop(self, name: str, tables: list[str]) -> Iterator[OwnTable]:
        """What became of each table: one that cannot be dropped does not keep the others."""
        if not tables:
            return
        with ExitStack() as stack:
            try:
                destination = stack.enter_context(closing(self._make(name)))
                own = _own_tables(name, destination)
            except SynclineError as error:
                yield from (OwnTable(name, table, error=str(error)) for table in tables)
                return
            for table in tables:
                yield _drop(name, destination, table, shared=own.get(table))

    def _make(self, name: str) -> Destination:
        job, description = self._job, self._job.destinations[name]
        return make_destination(
            name,
            description,
            fence=_fence(job, naming=description.get("naming", AS_IS)),
            work_dir=self._work_dir,
            log=self._log,
            data_dir=Path(job.data_dir).absolute(),
        )


def _own_tables(name: str, destination: Destination) -> dict[str, bool]:
    with prefix_errors(destination_subject(name)):
        return _dropping(destination).own_tables()


def _drop(name: str, destination: Destination, table: str, *, shared: bool | None) -> OwnTable:
    """A table that others load into by now stays; one that is gone already (`shared` None) counts as dropped."""
    try:
        with prefix_errors(destination_subject(name)):
            if shared is False:
                _dropping(destination).drop_table(table)
    except SynclineError as error:
        return OwnTable(name, table, error=str(error))
    return OwnTable(name, table, shared=bool(shared), dropped=not shared)


def _dropping(destination: Destination) -> Dropping:
    if not isinstance(destination, Dropping):
        raise ConfigurationError("it cannot drop its tables: drop them yourself, then run the command without --drop")
    return destination


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
