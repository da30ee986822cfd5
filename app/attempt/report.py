"""Reports to the worker: log lines, progress, commits and columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.attempt.heartbeat import Heartbeat
from app.attempt.windows import INTERVAL_COLUMN
from app.connectors.contract.passes import Measured
from app.connectors.contract.schema import type_name
from app.domain.attempt_protocol import (
    Committed,
    ConfigRenewed,
    Installing,
    LogLine,
    Progress,
    Reached,
    SecretLearned,
    TableDescribed,
)
from app.domain.table_columns import TableColumn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.attempt.sink import Sink
    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import DescribedTable, Log, Source
    from app.domain.attempt_protocol import Level

_PROGRESS_SECONDS: Final = 1.0


class Report:
    """Counts records and rows, and reports them to the worker."""

    def __init__(self, pipe: WorkerPipe) -> None:
        self.records_read = 0
        self.rows_written = 0
        self._bytes_read = 0
        self._source: Measured | None = None
        self._pipe = pipe
        self._reported_at = time.monotonic()
        self.heartbeat = Heartbeat(pipe.send)

    def measure(self, source: Source) -> None:
        """From now on reports the progress of `source`, if it knows it."""
        self._source = source if isinstance(source, Measured) else None

    def count(self, records: int, size: int) -> None:
        self.records_read += records
        self._bytes_read += size
        if time.monotonic() - self._reported_at >= _PROGRESS_SECONDS:
            self._reported_at = time.monotonic()
            share = None if self._source is None else self._source.progress()
            share = None if share is None else min(max(share, 0.0), 1.0)
            self._pipe.send(Progress(records_read=self.records_read, bytes_read=self._bytes_read, share=share))

    def report_reached(self, sink: Sink) -> None:
        self._pipe.send(Reached(destination=sink.name))

    def report_commit(self, sink: Sink, *, rows: int, bookmark: str | None) -> None:
        self.rows_written += rows
        standing = sink.standing
        text = None if standing is None else standing.text()
        self._pipe.send(Committed(destination=sink.name, rows=rows, bookmark=_as_json(bookmark), standing=text))

    def log_rows(self, rows: Mapping[str, int]) -> None:
        """Logs how many rows were read for each of several tables; for a single one, commits say it."""
        if len(rows) > 1:
            for table, count in rows.items():
                self._pipe.send(LogLine("info", f"{count} rows read for table [{table}]"))

    def report_tables(self, sink: Sink, *, with_rows: Collection[str]) -> None:
        """Reports the columns of the tables that the sink has committed; `with_rows` are those that got rows."""
        for described in sink.describe_tables():
            filled = described.table.name in with_rows
            if columns := _columns(described, filled=filled):
                whole = filled and described.table.full_refresh
                self._pipe.send(TableDescribed(sink.name, _storable(described.table.name), columns, whole=whole))

    def report_completed(self, sink: Sink) -> None:
        """Reports a commit of an earlier attempt of this task, which the worker may have missed."""
        self._pipe.send(LogLine("info", f"destination {sink.name!r} already has all rows of this task"))
        self.report_commit(sink, rows=0, bookmark=sink.position.bookmark)


class WorkerLog:
    """The log that connectors write to: its lines go to the worker."""

    def __init__(self, pipe: WorkerPipe) -> None:
        self._pipe = pipe
        self.renewed_config: str | None = None
        """What the program of the source last made of its configuration, if it did: the next one begins with it."""

    def __call__(self, level: Level, message: str) -> None:
        self._pipe.send(LogLine(level, message))

    def of_program(self, system: str, *, aside: bool = False) -> Log:
        send = self._pipe.send_aside if aside else self._pipe.send
        return lambda level, message: send(LogLine(level, message, system))

    def mask(self, secret: str) -> None:
        self._pipe.send(SecretLearned(secret))

    def installing(self, packages: str, *, done: bool = False) -> None:
        self._pipe.send(Installing(packages, done=done))

    def config_renewed(self, config: str, *, destination: str | None = None) -> None:
        # Before anything else: whoever gave out a new credential has already voided the old one.
        self._pipe.send(ConfigRenewed(config, destination))
        if destination is None:
            self.renewed_config = config


def _columns(described: DescribedTable, *, filled: bool) -> list[TableColumn]:
    """The source's fields; without rows, the kinds of those that values have to show are not known."""
    table = described.table
    columns: list[TableColumn] = []
    for field, kind in table.columns.items():
        if field == INTERVAL_COLUMN or (field in table.inferred and not filled):
            continue
        name, type_ = described.columns.get(field, (None, None))
        columns.append(
            TableColumn(
                field=_storable(table.source_names.get(field, field)),
                field_type=table.source_types.get(field) or type_name(kind, table.digits.get(field)),
                column=name,
                column_type=type_,
                inferred=field in table.inferred,
            )
        )
    return columns


def _storable(name: str) -> str:
    """`name`; NUL and lone surrogates, which a Singer target may accept, would change in the store."""
    return name.replace("\0", "\ufffd").encode(errors="replace").decode()


def _as_json(bookmark: str | None) -> Any:
    """Valid JSON unchanged; anything else, such as a lone surrogate, as a string."""
    if bookmark is None:
        return None
    try:
        msgspec.json.decode(bookmark)
    except msgspec.MsgspecError:
        return bookmark
    return msgspec.Raw(bookmark.encode())
