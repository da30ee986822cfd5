"""Copies Arrow's rows into a table of PostgreSQL."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from pyarrow import csv  # type: ignore[import-untyped]

from app.connectors.warehouse.layout import column_list

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Copy
    from typing_extensions import Buffer

    from app.connectors.destinations.postgres.connection import PostgresSession

_PIECE_BYTES: Final = 256 << 10
_WITHOUT_NAMES: Final = csv.WriteOptions(include_header=False)


def copy_rows(session: PostgresSession, table: str, rows: pa.RecordBatch) -> None:
    """As CSV, with strings in quotes and nothing for NULL, as PostgreSQL expects it; `table` is a quoted name."""
    statement = f"COPY {table} ({column_list(rows.schema.names)}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    with session.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        csv.write_csv(rows, _CopyFile(copy), _WITHOUT_NAMES)


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
