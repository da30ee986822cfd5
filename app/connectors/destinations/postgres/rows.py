"""Copies Arrow's rows into a table of PostgreSQL: in its binary form where all columns have one, or else as CSV."""

from __future__ import annotations

import importlib.util
import io
from functools import cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv

from app.connectors.warehouse.layout import column_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Copy
    from typing_extensions import Buffer

    from app.connectors.destinations.postgres.connection import PostgresSession

_PIECE_BYTES: Final = 256 << 10
_WITHOUT_NAMES: Final = csv.WriteOptions(include_header=False)
# The encoder writes these as PostgreSQL reads them. Both count microseconds of UTC, with a zone or without.
_BINARY: Final[Mapping[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us"),
    "timestamp without time zone": pa.timestamp("us"),
}


def copy_rows(session: PostgresSession, table: str, rows: pa.RecordBatch) -> None:
    """As CSV, with strings in quotes and nothing for NULL, as PostgreSQL expects it; `table` is a quoted name."""
    statement = f"COPY {table} ({column_list(rows.schema.names)}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    with session.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        csv.write_csv(rows, _CopyFile(copy), _WITHOUT_NAMES)


def copy_binary(session: PostgresSession, table: str, rows: pa.RecordBatch, types: Mapping[str, str]) -> None:
    """The same in a third of the server's time, if the rows' columns are of these `types` and have a binary form."""
    if not _has_encoder() or any(_BINARY.get(types[field.name]) != field.type for field in rows.schema):
        copy_rows(session, table, rows)
        return
    from pgpq import ArrowToPostgresBinaryEncoder  # noqa: PLC0415 -- of an extra

    encoder = ArrowToPostgresBinaryEncoder(rows.schema)
    statement = f"COPY {table} ({column_list(rows.schema.names)}) FROM STDIN (FORMAT binary)"
    with session.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        file = _CopyFile(copy)
        for data in (encoder.write_header(), encoder.write_batch(rows), encoder.finish()):
            file.write(data)


@cache
def _has_encoder() -> bool:
    return importlib.util.find_spec("pgpq") is not None


class _CopyFile(io.RawIOBase):
    """A file object that sends what is written to it, so that no batch is kept as text."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    def writable(self) -> bool:
        return True

    def write(self, text: Buffer) -> int:
        whole = memoryview(text)
        # In pieces: libpq buffers what it gets in one call, and doubles its buffer.
        for begin in range(0, len(whole), _PIECE_BYTES):
            self._copy.write(whole[begin : begin + _PIECE_BYTES])
        return len(whole)
