"""A table that several connections read at once, in one snapshot of the database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import Columns
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.sources.sql import parts as first_loads
from app.connectors.sources.sql.announcement import Announcement
from app.connectors.sources.sql.postgres_parts import UndividedError, divide
from app.connectors.sources.sql.postgres_reader import PostgresReader, export_snapshot
from app.connectors.sources.sql.postgres_values import is_known, values_of
from app.connectors.sources.sql.read_ahead import ReadAhead
from app.connectors.sources.sql.values import size

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa  # type: ignore[import-untyped]
    from sqlalchemy import Connection

    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Table
    from app.connectors.sources.sql.parts import Parts
    from app.connectors.sources.sql.reading import Reading


def divided(
    reading: Reading, connection: Connection, *, bookmark: str | None, first_load: bool, merges: bool, log: Log
) -> Parts | None:
    """The parts to be read at once; None, and a line in the log, if one connection has to read everything.

    `merges`: a row replaces the one with the same key, so that some may come again.
    """
    is_first = first_load or first_loads.is_first_load(bookmark)
    if reading.selection.cursor_field is not None and not (is_first and merges):
        return None
    try:
        with reading.translate_errors():
            found = _divide(reading, connection, bookmark=bookmark, first_load=first_load)
    except UndividedError as why:
        log("info", f"{reading.origin} is read by one connection: {why}")
        return None
    if found.goes_on:
        begin = first_loads.begin_of(bookmark)
        log(
            "info",
            f"{reading.origin}: the first load goes on at {begin}. What has changed in the rows before it since they "
            "were loaded comes with the next task",
        )
    return found


def _divide(reading: Reading, connection: Connection, *, bookmark: str | None, first_load: bool) -> Parts:
    selection = reading.selection
    if selection.table is None:
        raise UndividedError("it is a query")
    if strange := next((each for each in reading.columns if not is_known(each)), None):
        raise UndividedError(f"column {strange.name!r} is of type {strange.full_type or strange.type}")
    return divide(
        connection,
        selection,
        reading.columns,
        bookmark=bookmark,
        first_load=first_load,
        highest=reading.highest_cursor,
    )


def items(
    reading: Reading, connection: Connection, found: Parts, *, connections: int, table_name: str, chunk_rows: int
) -> Generator[Table | Rows | Checkpoint, None, None]:
    """The rows of all parts, in order; after each part a checkpoint, if a first load can go on from there."""
    for table in Announcement(table_name, reading.columns, reading.selection).finish():
        yield replace(
            table, resumable=found.resumable, goes_on=found.goes_on, in_bulk=True, unique_key=found.unique_key
        )
    with reading.translate_errors("cannot share the snapshot"):
        connect = partial(PostgresReader, *export_snapshot(connection))
    ahead = ReadAhead[Any](partial(_Reader, reading, connect, chunk_rows), found.parts, threads=connections)
    batches = ahead.batches()
    try:
        while (taken := _next(reading, batches)) is not None:
            part, values = taken
            if values is not None:
                reading.count(len(values))
                yield Rows(table_name, values, size(values.values.values()))
            elif part.bookmark is not None:
                yield Checkpoint(part.bookmark)
    finally:
        batches.close()
    yield Checkpoint(found.then)


def _next(reading: Reading, batches: Iterator[Any]) -> Any | None:
    with reading.translate_errors():
        return next(batches, None)


class _Reader:
    """Makes what a connection reads the values of records, in the thread that reads it."""

    def __init__(self, reading: Reading, connect: Any, chunk_rows: int) -> None:
        self._reading = reading
        self._chunk_rows = chunk_rows
        self._reader: PostgresReader = connect()

    def read(self, part: first_loads.Part) -> Iterator[Columns]:
        for batch in self._reader.read(part):
            for begin in range(0, batch.num_rows, self._chunk_rows):
                yield self._columns(batch.slice(begin, self._chunk_rows))

    def _columns(self, batch: pa.RecordBatch) -> Columns:
        values: dict[str, list[Any] | pa.Array] = {}
        for column, array in zip(self._reading.columns, batch.columns, strict=True):
            with self._reading.translate_errors_of(column.name):
                values[column.name] = values_of(column, array)
        return Columns(values)

    def cancel(self) -> None:
        self._reader.cancel()

    def close(self) -> None:
        self._reader.close()
