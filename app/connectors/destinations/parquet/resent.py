"""Rows that are sent again: sources repeat what lies at or before the bookmark, and only the rows themselves show it.

As many equal rows as were there are not new. The manifest has the range of cursor values of each file, so that only
files are read that can have such rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from app.connectors.destinations.parquet import types
from app.connectors.warehouse.layout import SYNCED_COLUMN, TASK_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.destinations.parquet.manifest import DataFile
    from app.connectors.destinations.parquet.stage import Stage, Staged
    from app.connectors.destinations.parquet.storage import Storage


class Resent:
    """The rows of one table that were there before this pass and can be sent again."""

    def __init__(self, storage: Storage, stage: Stage, files: tuple[DataFile, ...]) -> None:
        self._storage = storage
        self._stage = stage
        self._cursor = stage.target.cursor or ""
        field = stage.target.table.cursor_field
        self._type = stage.target.columns[field].type if field in stage.target.columns else ""
        ranges = [(file.name, self._range(file)) for file in files] if self._type else []
        self._files = [(name, *found) for name, found in ranges if found]
        self._end = max((highest for _, _, highest in self._files), default=None)
        self._begin: Any = None
        self._left_over: Counter[bytes] = Counter()

    def drop(self, staged: Staged) -> Staged:
        """`staged` without the rows that the table already has."""
        if self._end is None or staged.lowest is None or staged.lowest > self._end:
            return staged
        self._count_from(staged.lowest)
        path, rows = self._stage.new_path(), 0
        with (
            pq.ParquetFile(staged.path) as file,
            pq.ParquetWriter(path, file.schema_arrow, compression="zstd") as writer,
        ):
            for batch in file.iter_batches():
                kept = [not self._was_there(row) for row in batch.to_pylist()]
                writer.write_batch(batch.filter(pa.array(kept, pa.bool_())))
                rows += sum(kept)
        staged.path.unlink()
        return dataclasses.replace(staged, path=path, rows=rows)

    def _range(self, file: DataFile) -> tuple[Any, Any] | None:
        """The lowest and the highest cursor value in `file`, whose range may be that of an earlier cursor."""
        if file.lowest is None or file.highest is None:
            return self._range_within(file.name) if file.cursor != self._cursor else None
        if file.cursor in (None, self._cursor):
            with suppress(ValueError, ArithmeticError):
                return types.from_text(file.lowest, self._type), types.from_text(file.highest, self._type)
        return self._range_within(file.name)

    def _range_within(self, name: str) -> tuple[Any, Any] | None:
        with self._storage.open(name) as opened, pq.ParquetFile(opened) as file:
            if self._cursor not in file.schema_arrow.names:
                return None
            lowest, highest = pc.min_max(file.read([self._cursor])[self._cursor]).as_py().values()
            return None if lowest is None else (lowest, highest)

    def _was_there(self, row: dict[str, Any]) -> bool:
        if row[self._cursor] is None or row[self._cursor] > self._end:
            return False
        fingerprint = _fingerprint(row)
        if not self._left_over[fingerprint]:
            return False
        self._left_over[fingerprint] -= 1
        return True

    def _count_from(self, lowest: Any) -> None:
        """Counts each row of the table once per pass, however often a lower cursor comes."""
        if self._begin is not None and self._begin <= lowest:
            return
        for name, _, highest in self._files:
            if highest >= lowest:
                self._left_over.update(map(_fingerprint, self._rows_of(name, lowest)))
        self._begin = lowest

    def _rows_of(self, name: str, lowest: Any) -> Iterator[dict[str, Any]]:
        with self._storage.open(name) as opened, pq.ParquetFile(opened) as file:
            if self._cursor not in file.schema_arrow.names:
                return
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    cursor = row[self._cursor]
                    if cursor is not None and cursor >= lowest and (self._begin is None or cursor < self._begin):
                        yield row


def _fingerprint(row: dict[str, Any]) -> bytes:
    """Of all columns of the source: a column that a file lacks counts as NULL."""
    held = sorted((name, value) for name, value in row.items() if value is not None and name not in _OWN)
    return hashlib.blake2b(repr(held).encode(errors="surrogatepass"), digest_size=16).digest()


_OWN = frozenset({TASK_COLUMN, SYNCED_COLUMN})
