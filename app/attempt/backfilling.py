"""A backfill: what lies in an interval, loaded once more beside rows that keep their bookmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.attempt.copying import Pass, Report, log_to, opened_places
from app.attempt.place import close
from app.attempt.source import opened_source
from app.attempt.writing import Writing
from app.connectors.intervals import IntervalSource, not_by_intervals
from app.connectors.windows import INTERVAL_COLUMN
from app.domain.attempt_protocol import Finished
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.attempt.outbox import Outbox
    from app.attempt.place import Place
    from app.connectors.passes import Item
    from app.connectors.schema import Table
    from app.domain.attempt_protocol import AttemptJob
    from app.domain.interval import Interval

_DOUBLING: Final = {WriteMode.APPEND, WriteMode.REPLACE}


def load_interval(job: AttemptJob, interval: Interval, *, work_dir: Path, outbox: Outbox) -> Finished:
    """Brings the rows of the interval to every destination, however far each of them is.

    Raises:
        ConfigurationError: the source cannot be read in this way, or its rows could be there twice afterwards.
    """
    log = log_to(outbox)
    log("info", f"backfill of {interval}: the bookmark stays where it is")
    report = Report(outbox)
    places = opened_places(job, report, work_dir=work_dir, log=log)
    for place in places:
        if place.position.void:
            raise ConfigurationError(
                f"destination {place.name!r}: the collection was reset, so its next task loads everything anew: "
                "a backfill has to wait for that"
            )
    with opened_source(job, work_dir=work_dir, log=log) as source:
        if not isinstance(source, IntervalSource):
            raise not_by_intervals(job.source_type)
        if lacking := [place for place in places if place.lacks_rows]:
            report.measure(source)
            IntervalPass(source, lacking, interval=interval, writing=Writing.of(job), report=report).run()
    close(places)
    return Finished(records_read=report.records_read, rows_written=report.rows_written)


class IntervalPass(Pass):
    """One reading of an interval into all destinations, each of which keeps the bookmark that it has."""

    def __init__(
        self, source: IntervalSource, places: list[Place], *, interval: Interval, writing: Writing, report: Report
    ) -> None:
        super().__init__(source, places, bookmark=None, writing=writing, report=report)
        self._interval = interval
        self._read_interval = source.read_interval

    def _items(self) -> Iterator[Item]:
        return self._read_interval(self._interval)

    def _begin(self, table: Table) -> None:
        if self._writing.mode in _DOUBLING:
            raise ConfigurationError(
                f"write_mode '{self._writing.mode}' adds to, or replaces, all rows that are there: "
                "a backfill needs 'upsert' or 'history'"
            )
        if table.full_refresh:
            raise ConfigurationError(
                f"table {table.name!r} is replaced by all rows each time, so there is no interval to load: "
                "a backfill needs sync_mode 'incremental'"
            )
        if INTERVAL_COLUMN in table.columns:
            self._refuse_before_the_first_sync()
        elif not table.key:
            raise ConfigurationError(
                f"table {table.name!r} has no key by which rows that are there already could be told: "
                "a backfill needs a 'primary_key', or windows of time ('interval')"
            )
        super()._begin(table)

    def _refuse_before_the_first_sync(self) -> None:
        """Without a bookmark the next sync, and so the next backfill, would take all rows for such as come again."""
        for place in self._places:
            if place.position.bookmark is None and not place.position.indifferent:
                raise ConfigurationError(
                    f"destination {place.name!r} has no bookmark of the collection yet: "
                    "without a 'primary_key' its first sync comes before a backfill"
                )

    def _commit_to(self, place: Place, *, bookmark: str | None, final: bool) -> None:  # noqa: ARG002 -- its own counts
        if place.position.indifferent:
            # It keeps nothing and knows no bookmark, and what the store remembers of it has to stay.
            place.commit(None, final=final)
        else:
            super()._commit_to(place, bookmark=place.position.bookmark, final=final)
