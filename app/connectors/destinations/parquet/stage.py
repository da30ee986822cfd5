"""Staged rows: Parquet files in the attempt's directory, moved to the destination when they are committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from app.connectors.contract.schema import Kind
from app.connectors.destinations.parquet import types
from app.connectors.warehouse.layout import SYNCED_COLUMN, TASK_COLUMN

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.warehouse.layout import Target

_GROUP_BYTES = 32 << 20
_FILE_BYTES = 256 << 20
_OWN = {TASK_COLUMN: pa.string(), SYNCED_COLUMN: types.arrow_type(Kind.TIMESTAMP.value)}


@dataclass(frozen=True, slots=True)
class Staged:
    """A complete file; its cursor values range from `lowest` to `highest`."""

    path: Path
    rows: int
    lowest: Any = None
    highest: Any = None


class Stage:
    """The staged rows of one table; a row group is as large as its share of memory."""

    def __init__(self, target: Target, directory: Path, *, task_id: str) -> None:
        self.target = target
        self._directory = directory
        self._task_id = task_id
        self._files = 0
        self._finished: list[Staged] = []
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._path = directory
        self._rows = 0
        self._lowest: Any = None
        self._highest: Any = None
        directory.mkdir(parents=True, exist_ok=True)

    def widen(self, target: Target) -> None:
        """Replaces the description of the table; all row groups of a file have the same columns."""
        if list(target.columns) != list(self.target.columns):
            self._close()
        self.target = target

    def add(self, batch: Batch) -> None:
        """Fits and stages; raises `ValueRefusedError`."""
        arrays = self.target.fit(batch)
        self._note_cursor(arrays)
        own = {TASK_COLUMN: self._task_id, SYNCED_COLUMN: datetime.now(UTC)}
        repeated = {name: pa.repeat(pa.scalar(value, _OWN[name]), len(batch)) for name, value in own.items()}
        table = pa.table(arrays | repeated)
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        self._rows += len(batch)
        if self._waiting_bytes >= _GROUP_BYTES:
            self._write_group()

    def finish(self, *, even_if_empty: bool) -> list[Staged]:
        """The files completed since the last call; with `even_if_empty` one without rows, if there are no others."""
        if even_if_empty and not self._finished and not self._rows:
            self._write_group()
        self._close()
        finished, self._finished = self._finished, []
        return finished

    @property
    def rows(self) -> int:
        """How many are staged."""
        return self._rows + sum(each.rows for each in self._finished)

    def new_path(self) -> Path:
        self._files += 1
        return self._directory / f"{self._files}.parquet"

    def _note_cursor(self, arrays: dict[str, pa.Array]) -> None:
        cursor = self.target.cursor
        if cursor is None:
            return
        extremes = pc.min_max(arrays[cursor]).as_py().values()
        seen = [value for value in (*extremes, self._lowest, self._highest) if value is not None]
        if seen:
            self._lowest, self._highest = min(seen), max(seen)

    def _write_group(self) -> None:
        names = [(column.name, types.arrow_type(column.type)) for column in self.target.columns.values()]
        schema = pa.schema([*names, *_OWN.items()])
        if self._writer is None:
            self._path = self.new_path()
            self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")
        self._writer.write_table(pa.concat_tables([schema.empty_table(), *self._waiting]))
        self._waiting.clear()
        self._waiting_bytes = 0
        if self._path.stat().st_size >= _FILE_BYTES:
            self._close()

    def _close(self) -> None:
        if self._waiting:
            self._write_group()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._finished.append(Staged(self._path, self._rows, self._lowest, self._highest))
        self._rows, self._lowest, self._highest = 0, None, None
