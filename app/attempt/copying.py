"""Copies a collection from its source to all destinations: each row once, whatever happened before."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from msgspec import structs

from app.attempt.open_source import open_source
from app.attempt.report import Report, WorkerLog
from app.attempt.set_bookmarks import check_set_bookmark
from app.attempt.shaping import shaped
from app.attempt.sink import Sink, close
from app.attempt.writing import Writing
from app.connectors.contract.batches import WRITE_BYTES, WRITE_RECORDS, Columns
from app.connectors.contract.blame import joined
from app.connectors.contract.passes import Checkpoint, Completed, Doubt, Emptied, Rows, Unreadable
from app.connectors.contract.schema import Table
from app.domain.attempt_protocol import Finished
from app.domain.errors import LeaseLostError, RetryLaterError, SynclineError
from app.failpoints import fail_point

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Item, Log
    from app.domain.attempt_protocol import CopyJob, Sync

_COMMIT_RECORDS = 100_000
_COMMIT_SECONDS = 30.0
# Of tables that are complete: destinations keep some memory for each column until they have moved.
_COMMIT_COLUMNS = 100


def synchronise(job: Sync, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Destinations with the same bookmark share one reading of the source; normally all of them do.

    If a destination fails, the others are still completed, and so are other tables if one cannot be read. The attempt
    then fails, and the next one reads what is missing.
    """
    log = WorkerLog(pipe)
    report = Report(pipe)
    sinks = open_sinks(job, report, work_dir=work_dir, log=log)
    try:
        unread = _read_into(sinks, job, report, work_dir=work_dir, log=log)
    except BaseException:
        # What they have made for rows that do not come has to go.
        for sink in sinks:
            sink.close()
        raise
    close(sinks, unread=unread)
    return Finished(records_read=report.records_read, rows_written=report.rows_written)


def _read_into(
    sinks: list[Sink], job: Sync, report: Report, *, work_dir: Path, log: WorkerLog
) -> list[SynclineError | None]:
    """Reads the source once for each bookmark; returns the errors of tables that could not be read."""
    writing = Writing.of(job)
    unread: list[SynclineError | None] = []
    for bookmark, alike in _by_bookmark([sink for sink in sinks if sink.lacks_rows]).items():
        was_set = any(sink.position.was_set for sink in alike)
        if was_set and bookmark is not None:
            check_set_bookmark(bookmark, job)
        first_load = all(sink.is_first_load or sink.position.indifferent for sink in alike)
        reading = structs.replace(job, bookmark_was_set=was_set, first_load=first_load)
        with open_source(reading, work_dir=work_dir, log=log) as source:
            report.measure(source)
            items = shaped(source.read(bookmark), job, writing=writing, sinks=alike, log=log)
            with report.heartbeat.beating():
                unread.append(Pass(alike, bookmark=bookmark, writing=writing, report=report).run(items))
    return unread


def open_sinks(job: CopyJob, report: Report, *, work_dir: Path, log: Log) -> list[Sink]:
    """All destinations of the job; reports those that an earlier attempt of the same task has completed.

    Destinations are opened before the source: a wrong password must not be found after hours of reading.
    """
    sinks = [Sink.open(job, name, work_dir=work_dir, log=log) for name in job.destinations]
    for sink in sinks:
        if sink.name in job.probes and sink.failure is None:
            report.report_reached(sink)
        if sink.position.completed:
            report.report_completed(sink)
    return sinks


class Pass:
    """One reading of the source into `sinks`, from `bookmark` on; if `bookmarks_stay`, each keeps its own bookmark."""

    def __init__(
        self,
        sinks: list[Sink],
        *,
        writing: Writing,
        report: Report,
        bookmark: str | None = None,
        bookmarks_stay: bool = False,
    ) -> None:
        self._sinks = sinks
        self._writing = writing
        self._report = report
        self._bookmark = bookmark
        self._bookmarks_stay = bookmarks_stay
        self._tables: dict[str, Table] = {}
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._waiting_records = 0
        self._waiting_bytes = 0
        self._rows: dict[str, int] = {}
        self._uncommitted = 0
        self._committed_at = time.monotonic()
        # A void bookmark is left behind at once or not at all: later attempts would not replace what is still missing.
        self._all_or_nothing = writing.all_or_nothing or any(sink.position.void for sink in sinks)
        self._apart = False
        self._waiting_for_more: set[str] = set()
        self._completed = 0
        self._reached = False
        self._is_beyond = False
        self._unread: list[Unreadable] = []

    def run(self, items: Iterable[Item]) -> SynclineError | None:
        """Copies everything; returns the error of what cannot be read (yet): the pass is then not complete."""
        try:
            return self._run(items)
        except RetryLaterError as error:
            # What was read may have cost a part of a quota.
            if self._reached and not self._is_beyond and self._commits_midway:
                self._commit(final=False)
                self._report_tables()
            return joined([*(each.error for each in self._unread), error], subject=self._writing.subject)

    def _run(self, items: Iterable[Item]) -> SynclineError | None:
        for item in items:
            self._offer(item, items)
            if all(sink.failure for sink in self._sinks):
                break
        else:
            self._begin_unannounced()
            if not self._unread:
                self._commit(final=True)
            elif self._reached and self._commits_midway:
                self._commit(final=False)
            self._report_tables()
        unread = [each.error for each in self._unread]
        return joined(unread, subject=self._writing.subject) if unread else None

    def _offer(self, item: Item, items: Iterable[Item]) -> None:
        """Passes `item` on; a source whose tables stand apart is told if one is refused, and goes on without it."""
        try:
            self._pass_on(item)
        except LeaseLostError:
            raise
        except SynclineError as error:
            if not self._apart or not isinstance(items, Generator):
                raise
            self._pass_on(items.throw(error))

    def _pass_on(self, item: Item) -> None:
        match item:
            case Rows():
                self._take(item)
            case Checkpoint():
                self._reach(item)
            case Table():
                self._begin(item)
            case Emptied():
                self._empty(item)
            case Doubt():
                self._doubt(item)
            case Completed():
                self._complete(item)
            case Unreadable():
                self._give_up(item)

    @property
    def _commits_midway(self) -> bool:
        return not (self._all_or_nothing or self._waiting_for_more)

    def _begin_unannounced(self) -> None:
        """After a reset, earlier rows are removed even if the source has none, and so announces no table."""
        if self._writing.table is None or self._tables:
            return
        table = Table(self._writing.table, {})
        for sink in self._sinks:
            if sink.position.void:
                sink.begin(self._writing.arriving(table, sink.position))

    def _begin(self, table: Table) -> None:
        self._flush()
        self._tables[table.name] = table
        self._rows.setdefault(table.name, 0)
        self._apart = table.apart
        for sink in self._sinks:
            sink.apart = table.apart
            arriving = self._writing.arriving(table, sink.position)
            if sink.may_fill(arriving):
                arriving = dataclasses.replace(arriving, gradual=True)
            if arriving.comes_at_once:
                # After a crash, a bookmark that covers rows which have not moved would hide their loss.
                self._waiting_for_more.add(table.name)
            with self._report.heartbeat.working():
                sink.begin(arriving)

    def _empty(self, emptied: Emptied) -> None:
        for sink in self._sinks:
            sink.empty(emptied)

    def _doubt(self, doubt: Doubt) -> None:
        for sink in self._sinks:
            self._writing.check_doubt(doubt, sink.position)

    def _complete(self, completed: Completed) -> None:
        self._flush()
        with self._report.heartbeat.working():
            ready = [sink.complete(completed.table) for sink in self._sinks]
        if all(ready):
            self._waiting_for_more.discard(completed.table)
        self._completed += len(self._tables[completed.table].columns)

    def _give_up(self, unreadable: Unreadable) -> None:
        self._flush()
        table = self._tables.get(unreadable.table)
        # Otherwise checkpoints may cover rows that have come, and will not move.
        if table is None or table.full_refresh:
            self._waiting_for_more.discard(unreadable.table)
        self._unread.append(unreadable)

    def _take(self, rows: Rows) -> None:
        self._is_beyond = True
        self._writing.check_rows(self._tables[rows.table], rows.batch)
        self._uncommitted += len(rows.batch)
        self._rows[rows.table] += len(rows.batch)
        self._report.count(len(rows.batch), rows.size)
        if isinstance(rows.batch, Columns):
            # Such a batch already has the right size.
            self._flush()
            self._write(rows.table, rows.batch)
            return
        self._waiting.setdefault(rows.table, []).extend(rows.batch)
        self._waiting_records += len(rows.batch)
        self._waiting_bytes += rows.size
        if self._waiting_records >= WRITE_RECORDS or self._waiting_bytes >= WRITE_BYTES:
            self._flush()

    def _reach(self, checkpoint: Checkpoint) -> None:
        self._bookmark = checkpoint.bookmark
        self._reached = True
        self._is_beyond = False
        late = time.monotonic() - self._committed_at >= _COMMIT_SECONDS
        much = self._uncommitted >= _COMMIT_RECORDS or self._completed >= _COMMIT_COLUMNS
        if (late or much) and (self._uncommitted or self._completed) and self._commits_midway:
            self._commit(final=False)

    def _flush(self) -> None:
        for table, records in self._waiting.items():
            self._write(table, records)
        self._waiting.clear()
        self._waiting_records = self._waiting_bytes = 0

    def _write(self, table: str, batch: Batch) -> None:
        with self._report.heartbeat.working():
            for sink in self._sinks:
                sink.write(table, batch)

    def _commit(self, *, final: bool) -> None:
        self._flush()
        fail_point("child.staged")
        for sink in self._sinks:
            self._commit_to(sink, final=final)
        self._uncommitted = self._completed = 0
        self._reached = False
        self._committed_at = time.monotonic()

    def _report_tables(self) -> None:
        left_out = {each.table for each in self._unread}
        rows = {name: count for name, count in self._rows.items() if name not in left_out}
        self._report.log_rows(rows)
        read = {name for name, count in rows.items() if count}
        for sink in self._sinks:
            self._report.report_tables(sink, with_rows={sink.table_name(name) for name in read})

    def _commit_to(self, sink: Sink, *, final: bool) -> None:
        bookmark = sink.position.bookmark if self._bookmarks_stay else self._bookmark
        with self._report.heartbeat.working():
            rows = sink.commit(bookmark, final=final)
        # The bookmark of a destination that keeps none is in the store, and must not change there either.
        if rows is not None and not (self._bookmarks_stay and sink.position.indifferent):
            fail_point("child.committed")
            self._report.report_commit(sink, rows=rows, bookmark=bookmark)


def _by_bookmark(sinks: list[Sink]) -> dict[str | None, list[Sink]]:
    groups: dict[str | None, list[Sink]] = {}
    for sink in sorted(sinks, key=lambda sink: sink.position.indifferent):
        bookmark = next(iter(groups), None) if sink.position.indifferent else sink.position.bookmark
        groups.setdefault(bookmark, []).append(sink)
    return groups
