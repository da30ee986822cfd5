"""Rows that the source no longer has, where all of them are read each time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.attempt_protocol import LogLine
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import Deletes, WriteMode
from tests.connectors.passing import Collection, Crash, Killer, Sent
from tests.properties import examples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Warehouse

MARK = "_syncline_deleted_at"
WHOLE = Table("t", {"id": Kind.INTEGER, "v": Kind.TEXT}, key=("id",), full_refresh=True)
NUMBERS = itertools.count()
READINGS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 6), st.sampled_from(["a", "b"]), max_size=6),
        st.sampled_from([None, *Deletes]),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=5,
)
"""The rows of each, what happens to rows that are gone, and at which fail point it crashes."""


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)


def read(collection: Collection, rows: dict[int, str], *, again: int = 0) -> int:
    sent = [Rows("t", [{"id": key, "v": value}], 1) for key, value in rows.items()]
    return collection.load(Sent(WHOLE, *sent, Checkpoint(None)), again=again)


@examples(15, share_fixtures=True)
@given(readings=READINGS)
def test_whatever_readings_bring_and_wherever_they_crash_rows_that_are_gone_are_settled_as_said(
    warehouse: Warehouse, killer: Killer, tmp_path: Path, readings: list[Any]
) -> None:
    schema = f"s{next(NUMBERS)}"
    collection = Collection(warehouse.options(schema), tmp_path / "work", mode=WriteMode.UPSERT)
    there: dict[int, tuple[str, bool]] = {}
    for rows, deletes, crash_at in readings:
        collection.deletes = deletes
        killer.after(crash_at)
        try:
            read(collection, rows)
        except Crash:
            killer.after(0)
            read(collection, rows, again=1)
        gone = there.keys() - rows.keys()
        if deletes is Deletes.MARK:
            there |= {key: (there[key][0], True) for key in gone}
        elif deletes is Deletes.REMOVE:
            there = {key: row for key, row in there.items() if key not in gone}
        there |= {key: (value, False) for key, value in rows.items()}
        columns = "SELECT 1 FROM information_schema.columns WHERE table_name = 't' AND table_schema ="
        has_marks = warehouse.execute(f"{columns} '{schema}' AND column_name = '{MARK}'")
        marked = f"{MARK} IS NOT NULL" if has_marks else "false"
        found = warehouse.execute(f"SELECT id, v, {marked} FROM {schema}.t ORDER BY id")
        assert found == [(key, *row) for key, row in sorted(there.items())]


def test_a_replaced_table_keeps_rows_that_are_gone_with_a_mark_and_counts_every_change_once(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", mode=WriteMode.REPLACE)
    assert read(collection, {1: "a", 2: "a", 3: "a"}) == 3
    collection.deletes = Deletes.MARK
    assert read(collection, {1: "b"}) == 3
    assert read(collection, {1: "b"}) == 0
    assert read(collection, {1: "b", 2: "a", 3: "b"}) == 2
    assert warehouse.execute(f"SELECT id, v FROM loaded.t WHERE {MARK} IS NULL ORDER BY id") == [
        (1, "b"),
        (2, "a"),
        (3, "b"),
    ]
    tasks = warehouse.execute("SELECT id, _syncline_task_id FROM loaded.t ORDER BY id")
    assert tasks == [(1, "task 2"), (2, "task 4"), (3, "task 4")]
    lines = [line.message for line in collection.told if isinstance(line, LogLine)]
    assert lines == [
        "table 't': 2 rows that the source no longer has were marked in '_syncline_deleted_at' ('deletes: mark')"
    ]


@pytest.mark.parametrize(("deletes", "marks"), [(Deletes.MARK, [(0, True), (1, True)]), (Deletes.REMOVE, [])])
def test_all_rows_are_gone_when_a_reading_finds_a_table_without_rows_and_columns(
    warehouse: Warehouse, tmp_path: Path, deletes: Deletes, marks: list[tuple[int, bool]]
) -> None:
    collection = Collection(
        warehouse.options(), tmp_path / "work", mode=WriteMode.UPSERT, deletes=deletes, empty="allow"
    )
    read(collection, {0: "a", 1: "a"})
    assert collection.load(Sent(Table("t", {}, (), full_refresh=True), Checkpoint(None))) == 2
    marked = f"{MARK} IS NOT NULL" if deletes is Deletes.MARK else "false"
    assert warehouse.execute(f"SELECT id, {marked} FROM loaded.t ORDER BY id") == marks


def test_rows_are_not_removed_if_a_reading_brings_suspiciously_few(warehouse: Warehouse, tmp_path: Path) -> None:
    collection = Collection(
        warehouse.options(), tmp_path / "work", mode=WriteMode.UPSERT, deletes=Deletes.REMOVE, max_shrink=50
    )
    every = [{"id": key, "v": "a"} for key in range(1000)]
    collection.load(Sent(WHOLE, Rows("t", every, 1), Checkpoint(None)))
    few = Sent(WHOLE, Rows("t", every[:499], 1), Checkpoint(None))
    with pytest.raises(SynclineError, match="has 1,000 rows, but the source sent only 499, and 'max_shrink' is 50%"):
        collection.load(few)
    assert warehouse.execute("SELECT count(*) FROM loaded.t") == [(1000,)]


@pytest.mark.parametrize("kind", ["dlt:duckdb", "parquet"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_destination_that_does_not_find_rows_that_are_gone_refuses_to_look_for_them(
    duckdb: Duckdb, tmp_path: Path, kind: str
) -> None:
    options = {"type": kind} | (
        {"path": str(tmp_path / "lake")}
        if kind == "parquet"
        else {"dataset": "loaded", "credentials": str(duckdb.path)}
    )
    collection = Collection(options, tmp_path / "work", deletes=Deletes.MARK)
    with pytest.raises(ConfigurationError, match="'deletes: mark' with a full refresh needs a destination that finds"):
        read(collection, {1: "a"})
