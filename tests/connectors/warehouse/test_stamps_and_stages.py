"""Tables that are announced again within one pass, and rows that differ only in when they were loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.writing import WriteMode
from tests.connectors.passing import Collection, Sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse

TABLE = Table("t", {"id": Kind.INTEGER, "v": Kind.TEXT}, ("id",), partial=True)


def rows(*records: dict[str, Any]) -> Rows:
    return Rows("t", list(records), 1)


def test_rows_that_wait_stay_whole_when_their_table_is_announced_again_with_fewer_columns(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work")
    first = rows({"id": 1, "v": "a", "late": "x"})
    assert collection.load(Sent(TABLE, first, TABLE, rows({"id": 2, "v": "b"}), Checkpoint("1"))) == 2
    fewer = Table("t", {"id": Kind.INTEGER}, ("id",), partial=True)
    third, fourth = rows({"id": 3, "v": "c", "new": 1}), rows({"id": 1, "other": 2})
    assert collection.load(Sent(TABLE, third, fewer, fourth, Checkpoint("2"))) == 2
    assert warehouse.execute("SELECT id, v, late IS NOT NULL FROM loaded.t ORDER BY id") == [
        (1, "a", True),
        (2, "b", False),
        (3, "c", False),
    ]


@pytest.mark.parametrize(
    ("mode", "written", "left"),
    [
        (WriteMode.UPSERT, 1, [(1, "a", 1), (2, "c", 2)]),
        (WriteMode.HISTORY, 1, [(1, "a", 1), (2, "b", 1), (2, "c", 2)]),
    ],
)
def test_the_time_of_a_load_alone_makes_no_other_row(
    warehouse: Warehouse, tmp_path: Path, mode: WriteMode, written: int, left: list[Any]
) -> None:
    columns = {"id": Kind.INTEGER, "v": Kind.TEXT, "stamp": Kind.INTEGER}
    table = Table("t", columns, ("id",), stamps=frozenset({"stamp"}))
    collection = Collection(warehouse.options(), tmp_path / "work", mode=mode)
    collection.load(
        Sent(table, rows({"id": 1, "v": "a", "stamp": 1}, {"id": 2, "v": "b", "stamp": 1}), Checkpoint("1"))
    )
    second = rows({"id": 1, "v": "a", "stamp": 2}, {"id": 2, "v": "c", "stamp": 2})
    assert collection.load(Sent(table, second, Checkpoint("2"))) == written
    assert warehouse.execute("SELECT id, v, stamp FROM loaded.t ORDER BY id, v") == left
