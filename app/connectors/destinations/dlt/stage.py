"""Staged rows: cast, and kept in Parquet files of the attempt until a load takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from app.connectors.contract.schema import Kind
from app.connectors.destinations.dlt.occurrences import Occurrences
from app.connectors.destinations.dlt.target import NAME_COLUMN
from app.connectors.destinations.dlt.versions import forms_of, in_json, newest_rows
from app.connectors.warehouse.layout import ROW_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.destinations.dlt.target import Target


class Stage:
    """The staged rows of one table, of which `moved` were taken; one file for each shape that the table had."""

    def __init__(self, target: Target, *, directory: Path, attempt: str) -> None:
        self.target = target
        self.rows = 0
        self.moved = 0
        self._directory = directory
        self._files: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._made = 0
        self._occurrences: Occurrences | None = None
        if target.named and target.cursor:
            self._occurrences = Occurrences(target.cursor, attempt=attempt, path=directory / "occurrences.db")

    def widen(self, target: Target) -> None:
        """Replaces the description of the target, which may have more columns."""
        if target.arrow != self.target.arrow:
            self._close()
        self.target = target

    def add(self, batch: Batch) -> None:
        """Fits and writes; raises `ValueRefusedError`."""
        arrays = self.target.fit(batch)
        own = {ROW_COLUMN: pa.array(range(self.rows, self.rows + len(batch)), pa.int64())}
        if self._occurrences:
            own[NAME_COLUMN] = pa.array(self._occurrences.names(pa.record_batch(arrays, schema=self.target.arrow)))
        numbered = pa.record_batch(own | arrays, schema=self._shape())
        if self._writer is None:
            self._made += 1
            self._files.append(self._directory / f"{self._made}.parquet")
            self._writer = pq.ParquetWriter(self._files[-1], self._shape())
        self._writer.write_batch(numbered)
        self.rows += len(batch)

    def tables(self) -> Iterator[pa.Table]:
        """The staged rows, piece by piece, in the target's current shape, without those that a newer one replaces."""
        self._close()
        kept = self._newest()
        for path in self._files:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    if kept is not None:
                        table = table.filter(pc.is_in(table[ROW_COLUMN], value_set=kept))
                    self.moved += table.num_rows
                    if table.num_rows:
                        yield self._conform(table)

    def clear(self) -> None:
        self._close()
        for path in self._files:
            path.unlink()
        self._files, self.rows, self.moved = [], 0, 0

    def close(self) -> None:
        """May be called more than once; the files stay."""
        self._close()
        if self._occurrences:
            self._occurrences.close()

    def _newest(self) -> pa.Array | None:
        """The numbers of the newest row of each key; None if rows have no key."""
        key, newest_by = self.target.key, self.target.newest_by
        if not key:
            return None
        if newest_by is None:
            last = self._read(*key, ROW_COLUMN).group_by(key).aggregate([(ROW_COLUMN, "max")])
            return last[f"{ROW_COLUMN}_max"].combine_chunks()
        name, path = newest_by
        staged = self._read(*key, name, ROW_COLUMN)
        versions, forms = staged[name], None
        if pa.types.is_string(versions.type):
            kind = self.target.table.columns[self.target.table.newest_by[0]]
            versions, forms = in_json(versions, path) if kind is Kind.JSON else (versions, forms_of(versions))
        return newest_rows(staged, key, versions, number=ROW_COLUMN, forms=forms)

    def _read(self, *names: str) -> pa.Table:
        return pa.concat_tables([pq.read_table(path, columns=list(dict.fromkeys(names))) for path in self._files])

    def _shape(self) -> pa.Schema:
        own = [pa.field(ROW_COLUMN, pa.int64())] + [pa.field(NAME_COLUMN, pa.string())] * self.target.named
        return pa.schema([*own, *self.target.arrow])

    def _conform(self, table: pa.Table) -> pa.Table:
        names, shape = set(table.column_names), self._shape().remove(0)
        columns = [
            table[field.name] if field.name in names else pa.nulls(table.num_rows, field.type) for field in shape
        ]
        return pa.Table.from_arrays(columns, schema=shape)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
