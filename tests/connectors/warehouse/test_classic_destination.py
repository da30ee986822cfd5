"""What `naming: classic` makes of tables and rows before a warehouse gets them."""

from __future__ import annotations

from typing import Any

import pytest

from app.connectors.contract.passes import Position, Reload
from app.connectors.contract.schema import Kind, Table
from app.connectors.values.classic_tables import ClassicTables
from app.connectors.warehouse.classic_destination import ClassicDestination
from app.domain.writing import WriteMode


class Begun:
    """A warehouse that notes which tables begin."""

    def __init__(self, position: Position) -> None:
        self.tables: list[Table] = []
        self._position = position

    def open(self) -> Position:
        return self._position

    def begin(self, table: Table) -> None:
        self.tables.append(table)


LOADED = Position(bookmark="1", loaded=True)
RESET = Position(loaded=True, reload=Reload.RESET)


@pytest.mark.parametrize(
    ("position", "full_refresh", "mode"),
    [
        (LOADED, False, WriteMode.UPSERT),
        (LOADED, True, WriteMode.REPLACE),
        (RESET, False, WriteMode.REPLACE),
    ],
)
def test_rows_replace_others_only_where_all_of_them_come(
    position: Position, *, full_refresh: bool, mode: WriteMode
) -> None:
    there: Any = Begun(position)
    destination = ClassicDestination(there, ClassicTables("s"))
    assert destination.open() is position
    destination.begin(Table("t", {"id": Kind.INTEGER}, mode=WriteMode.REPLACE, full_refresh=full_refresh))
    assert [(table.mode, table.key) for table in there.tables] == [(mode, ("eventn_ctx_event_id",))]
