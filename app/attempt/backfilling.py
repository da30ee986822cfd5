"""A backfill: what lies in an interval, loaded once more beside rows that keep their bookmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.attempt.copying import Pass, open_places
from app.attempt.place import close
from app.attempt.report import Report, WorkerLog
from app.attempt.source import open_source
from app.attempt.windows import INTERVAL_COLUMN
from app.attempt.writing import Writing
from app.connectors.contract.intervals import IntervalSource
from app.connectors.contract.schema import Table
from app.connectors.kinds import not_by_intervals
from app.domain.attempt_protocol import Finished
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from app.attempt.place import Place
    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import Item
    from app.domain.attempt_protocol import Backfill

_DOUBLING: Final = {WriteMode.APPEND, WriteMode.REPLACE}


def backfill(job: Backfill, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Brings the rows of the job's interval to every destination, however far each of them is.

    Raises:
        ConfigurationError: the source cannot be read in this way, or its rows could be there twice afterwards.
    """
    log = WorkerLog(pipe)
    log("info", f"backfill of {job.interval}: the bookmark does not move")
    report = Report(pipe)
    places = open_places(job, report, work_dir=work_dir, log=log)
    for place in places:
        if place.position.reload:
            reason = place.position.reason or place.position.reload.value
            raise ConfigurationError(
                f"destination {place.name!r}: {reason}. The next task reloads everything; run the backfill after it"
            )
    with open_source(job, work_dir=work_dir, log=log) as source:
        if not isinstance(source, IntervalSource):
            raise not_by_intervals(job.source_type)
        if lacking := [place for place in places if place.lacks_rows]:
            report.measure(source)
            writing = Writing.of(job)
            items = _refuse_doubling(source.read_interval(job.interval), lacking, writing.mode)
            Pass(lacking, writing=writing, report=report, bookmarks_stay=True).run(items)
    close(places)
    return Finished(records_read=report.records_read, rows_written=report.rows_written)


def _refuse_doubling(items: Iterable[Item], places: list[Place], mode: WriteMode | None) -> Iterator[Item]:
    """`items`, as long as none of their tables could have rows twice afterwards."""
    for item in items:
        if isinstance(item, Table):
            _check(item, places, mode)
        yield item


def _check(table: Table, places: list[Place], mode: WriteMode | None) -> None:
    if mode in _DOUBLING:
        raise ConfigurationError(
            f"write_mode '{mode}' adds to or replaces all existing rows: a backfill needs 'upsert' or 'history'"
        )
    if table.full_refresh:
        raise ConfigurationError(
            f"table {table.name!r} is replaced as a whole each time, so no interval of it can be loaded: "
            "a backfill needs 'sync_mode: incremental'"
        )
    if INTERVAL_COLUMN in table.columns:
        _refuse_before_the_first_sync(places)
    elif not table.key:
        raise ConfigurationError(
            f"table {table.name!r} has no key to recognize existing rows by: "
            "a backfill needs a 'primary_key' or windows of time ('interval')"
        )


def _refuse_before_the_first_sync(places: list[Place]) -> None:
    """Without a bookmark the next sync, and so the next backfill, would take all rows for such as come again."""
    for place in places:
        if place.position.bookmark is None and not place.position.indifferent:
            raise ConfigurationError(
                f"destination {place.name!r} has no bookmark for the collection yet: "
                "without a 'primary_key', sync the collection once before a backfill"
            )
