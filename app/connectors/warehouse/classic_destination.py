"""A warehouse with `naming: classic`: tables and rows become those of Jitsu Classic on their way into it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from app.domain.classic_names import classic_column
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import DescribedTable, Emptied, Position
    from app.connectors.contract.schema import Table
    from app.connectors.values.classic_tables import ClassicTables
    from app.connectors.warehouse.warehouse import Warehouse


class ClassicDestination:
    """Gets tables under their names at the destination; their columns and rows are still those of the source.

    Tables that lie aside are no tables of Classic's, and stay as they are. Rows have another key, by which they are
    compared with all others, so no table is filled in parts.
    """

    def __init__(self, warehouse: Warehouse, classic: ClassicTables) -> None:
        self._warehouse = warehouse
        self._classic = classic
        self._void = False
        self._aside: set[str] = set()

    def open(self) -> Position:
        position = self._warehouse.open()
        self._void = position.void
        return position

    def begin(self, table: Table) -> None:
        if table.aside:
            self._aside.add(table.name)
            self._warehouse.begin(table)
            return
        replaces = table.mode is WriteMode.REPLACE and not self._void
        if replaces and (table.for_want_of_key or not table.full_refresh):
            # Rows without a key that come again would be doubled elsewhere; here they are recognised.
            table = dataclasses.replace(table, mode=WriteMode.APPEND)
        table = dataclasses.replace(table, unique_key=False, in_bulk=False)
        self._warehouse.begin(self._classic.announce(table))

    def write(self, table: str, batch: Batch) -> None:
        if table not in self._aside:
            wider, batch = self._classic.shape(table, batch)
            if wider is not None:
                self._warehouse.begin(wider)
        self._warehouse.write(table, batch)

    def empty(self, emptied: Emptied) -> None:
        self._warehouse.empty(dataclasses.replace(emptied, column=classic_column((emptied.column,))))

    def complete(self, table: str) -> None:
        self._warehouse.complete(table)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        return self._warehouse.commit(bookmark, final=final)

    def has_rows(self, table: str) -> bool:
        return self._warehouse.has_rows(table)

    def describe_tables(self) -> list[DescribedTable]:
        """Without the columns that Classic adds."""
        return [self._classic.without_own(each) for each in self._warehouse.describe_tables()]

    def close(self) -> None:
        self._warehouse.close()
