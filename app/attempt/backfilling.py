"""A backfill: loads the rows of an interval again, without moving the bookmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.attempt.copying import Pass, open_sinks
from app.attempt.open_source import open_source
from app.attempt.report import Report, WorkerLog
from app.attempt.shaping import shaped
from app.attempt.sink import close
from app.attempt.windows import INTERVAL_COLUMN
from app.attempt.writing import Writing
from app.connectors.contract.intervals import IntervalSource
from app.connectors.contract.schema import Table
from app.connectors.kinds import no_intervals_error
from app.domain.attempt_protocol import Finished
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from app.attempt.sink import Sink
    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import Item
    from app.domain.attempt_protocol import Backfill
    from app.domain.errors import SynclineError

_DUPLICATING: Final = {WriteMode.APPEND, WriteMode.REPLACE}


def backfill(job: Backfill, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Loads the rows of the job's interval into every destination, whatever its bookmark is.

    Raises:
        ConfigurationError: the source cannot read an interval, or its rows could be duplicated.
    """
    log = WorkerLog(pipe)
    log("info", f"backfill of {job.interval}: the bookmark does not move")
    report = Report(pipe)
    sinks = open_sinks(job, report, work_dir=work_dir, log=log)
    for sink in sinks:
        if sink.position.reload:
            reason = sink.position.reason or sink.position.reload.value
            raise ConfigurationError(
                f"destination {sink.name!r}: {reason}. The next task reloads everything; run the backfill after it"
            )
        if sink.position.was_set:
            raise ConfigurationError(
                f"destination {sink.name!r}: its bookmark was set by hand, and no task has read from there yet. Run "
                "the backfill after the next task"
            )
    unread: SynclineError | None = None
    with open_source(job, work_dir=work_dir, log=log) as source:
        if not isinstance(source, IntervalSource):
            raise no_intervals_error(job.source_type)
        if lacking := [sink for sink in sinks if sink.lacks_rows]:
            report.measure(source)
            writing = Writing.of(job)
            items = shaped(source.read_interval(job.interval), job, writing=writing, sinks=lacking, log=log)
            checked = _refuse_duplicates(items, lacking, writing.mode)
            with report.heartbeat.beating():
                unread = Pass(lacking, writing=writing, report=report, bookmarks_stay=True).run(checked)
    close(sinks, unread=[unread])
    return Finished(records_read=report.records_read, rows_written=report.rows_written)


def _refuse_duplicates(items: Iterable[Item], sinks: list[Sink], mode: WriteMode | None) -> Iterator[Item]:
    """`items`; raises `ConfigurationError` at a table whose rows could be duplicated."""
    for item in items:
        if isinstance(item, Table):
            _check(item, sinks, mode)
        yield item


def _check(table: Table, sinks: list[Sink], mode: WriteMode | None) -> None:
    if mode in _DUPLICATING:
        raise ConfigurationError(
            f"write_mode '{mode}' adds to or replaces all existing rows: a backfill needs 'upsert' or 'history'"
        )
    if table.full_refresh:
        raise ConfigurationError(
            f"table {table.name!r} is replaced as a whole each time, so no interval of it can be loaded: "
            "a backfill needs 'sync_mode: incremental'"
        )
    if INTERVAL_COLUMN in table.columns:
        _refuse_before_the_first_sync(sinks)
    elif not table.key:
        raise ConfigurationError(
            f"table {table.name!r} has no key to recognise existing rows by: "
            "a backfill needs a 'primary_key' or windows of time ('interval')"
        )


def _refuse_before_the_first_sync(sinks: list[Sink]) -> None:
    """Without a bookmark, the next sync would take all rows of the backfill for rows that are sent again."""
    for sink in sinks:
        if sink.position.bookmark is None and not sink.position.indifferent:
            raise ConfigurationError(
                f"destination {sink.name!r} has no bookmark for the collection yet: "
                "without a 'primary_key', sync the collection once before a backfill"
            )
