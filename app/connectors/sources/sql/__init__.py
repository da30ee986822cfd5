"""Databases as sources, through SQLAlchemy: a table or a query, whole or from the last cursor value on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.reading import Reading
from app.connectors.sources.sql.selection import Selection
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.passes import Checkpoint, Log, Rows
    from app.connectors.schema import Table
    from app.connectors.sql_options import SqlOptions, SqlParameters
    from app.domain.attempt_protocol import AttemptJob


class SqlSource:
    def __init__(
        self, options: SqlOptions, parameters: SqlParameters, job: AttemptJob, *, work_dir: Path, log: Log
    ) -> None:
        self._place = f"source {job.source!r}, collection {job.collection.name!r}"
        self._table_name = job.collection.table_name
        self._chunk_rows = options.chunk_rows
        self._log = log
        with self._blamed():
            self._selection = Selection.of(options, parameters, job.collection)
            self._database = Database(options, work_dir=work_dir)

    def check(self) -> None:
        with self._blamed(), self._database.snapshot() as connection:
            Reading(self._database, connection, self._selection, log=self._log)

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        """Rows from the bookmark's cursor value on, those with this very value again: the destination has them."""
        items = self._items(bookmark)
        # What a destination complains about never passes through here.
        while True:
            with self._blamed():
                item = next(items, None)
            if item is None:
                return
            yield item

    def close(self) -> None:
        self._database.close()

    def _items(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        with self._database.snapshot() as connection:
            reading = Reading(self._database, connection, self._selection, log=self._log)
            yield from reading.items(bookmark, table_name=self._table_name, chunk_rows=self._chunk_rows)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Puts source and collection before what went wrong."""
        try:
            yield
        except SynclineError as error:
            raise type(error)(f"{self._place}: {error}") from None
