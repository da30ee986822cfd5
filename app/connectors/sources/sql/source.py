"""Databases as sources, through SQLAlchemy: tables or a query, whole or from the last cursor value on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from app.connectors.contract.blame import prefix_errors, subject_of
from app.connectors.contract.sessions import session_name
from app.connectors.contract.several import ONE_TABLE, loads_several
from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.offers import offers
from app.connectors.sources.sql.reading import Reading
from app.connectors.sources.sql.selection import Selection
from app.connectors.sources.sql.several import Several
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Checkpoint, Item, Log, Rows
    from app.connectors.contract.schema import Table
    from app.connectors.sources.sql.options import SqlOptions, SqlParameters
    from app.domain.attempt_protocol import Offered, SourceJob
    from app.domain.interval import Interval

Yielded = TypeVar("Yielded")


class SqlSource:
    def __init__(
        self, options: SqlOptions, parameters: SqlParameters, job: SourceJob, *, work_dir: Path, log: Log
    ) -> None:
        self._source = job.source
        self._subject = subject_of(job)
        self._table_name = job.collection.table_name
        self._chunk_rows = options.chunk_rows
        self._connections = options.read_parallel
        self._first_load = job.first_load
        self._merges = job.collection.write_mode in (None, WriteMode.UPSERT)
        self._bookmark_was_set = job.bookmark_was_set
        self._schema = options.schema_
        self._windowed = job.collection.windows is not None
        self._cursor_checked = False
        self._log = log
        self._reading: Reading | None = None
        self._several: Several | None = None
        self._items_read: Generator[Any, None, None] | None = None
        with prefix_errors(self._subject):
            self._database = Database(options, name=session_name(job), work_dir=work_dir, log=log)
            if loads_several(job):
                self._several = Several(self._database, options, parameters, job, log=log)
            self._selection = Selection.of(options, parameters, job.collection)
            self._merges = self._merges and bool(self._selection.key)

    def check(self) -> None:
        with prefix_errors(self._subject), self._database.snapshot() as connection:
            if self._several:
                self._several.check(connection)
            else:
                Reading(self._database, connection, self._selection, log=self._log).check_lookback()

    def discover(self) -> Iterator[Offered]:
        with prefix_errors(f"source {self._source!r}"), self._database.snapshot() as connection:
            yield from offers(self._database, connection, self._schema, log=self._log)

    def read(self, bookmark: str | None) -> Iterator[Item]:
        """Rows from the bookmark's cursor value on, those with this very value again: the destination has them."""
        with prefix_errors(self._subject):
            yield from self._open(self._tables(self._several, bookmark) if self._several else self._items(bookmark))

    def read_interval(self, interval: Interval) -> Iterator[Table | Rows | Checkpoint]:
        """Rows whose cursor value lies in it; where only days can be distinguished, of whole days."""
        with prefix_errors(self._subject):
            if self._several:
                raise ConfigurationError(f"a backfill {ONE_TABLE}")
            yield from self._open(self._items(None, interval))

    def progress(self) -> float | None:
        current = self._several or self._reading
        return None if current is None else current.progress()

    def close(self) -> None:
        """A reading that is not at its end closes its result first: without its connection, it cannot."""
        if self._items_read is not None:
            self._items_read.close()
        self._database.close()

    def _open(self, items: Generator[Yielded, None, None]) -> Iterator[Yielded]:
        self._items_read = items
        return items

    def _tables(self, several: Several, bookmark: str | None) -> Generator[Item, None, None]:
        with self._database.snapshot() as connection:
            yield from several.items(connection, bookmark)

    def _items(
        self, bookmark: str | None, interval: Interval | None = None
    ) -> Generator[Table | Rows | Checkpoint, None, None]:
        with self._database.snapshot() as connection:
            reading = self._reading = Reading(
                self._database, connection, self._selection, log=self._log, bookmark_was_set=self._bookmark_was_set
            )
            if interval is not None and not self._cursor_checked:
                reading.check_cursor(all_rows=self._windowed)
                self._cursor_checked = True
            if interval is None and self._connections > 1:
                from app.connectors.sources.sql import parallel  # noqa: PLC0415 -- it needs a driver of its own

                parts = parallel.divided(
                    reading,
                    connection,
                    bookmark=bookmark,
                    first_load=self._first_load,
                    merges=self._merges,
                    log=self._log,
                )
                if parts is not None:
                    yield from parallel.items(
                        reading,
                        connection,
                        parts,
                        connections=self._connections,
                        table_name=self._table_name,
                        chunk_rows=self._chunk_rows,
                    )
                    return
            wanted = reading.since(bookmark) if interval is None else reading.within(interval, exact=self._windowed)
            yield from reading.items(wanted, table_name=self._table_name, chunk_rows=self._chunk_rows)
