"""Records that lack fields, and records that say that their row was deleted, in whatever pieces they arrive."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.attempt import copying
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.attempt_protocol import LogLine
from app.domain.errors import ConfigurationError
from app.domain.writing import Deletes, SchemaPolicy, WriteMode
from tests.connectors.passing import Collection, Killer, Sent
from tests.properties import examples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres, Warehouse

    Record = dict[str, Any]

GONE = "_sdc_deleted_at"
FIELDS = {"id": Kind.INTEGER, "name": Kind.TEXT, "mail": Kind.TEXT}
USERS = Table("t", FIELDS | {GONE: Kind.TIMESTAMP}, key=("id",), partial=True, delete_marker=GONE)
WITHOUT_MARKER = dataclasses.replace(USERS, columns=FIELDS)
AT, LATER = "2024-05-01T10:00:00+00:00", "2024-06-01T10:00:00+00:00"
NUMBERS = itertools.count()

VALUES = st.sampled_from(["x", "y", None])
RECORDS = st.fixed_dictionaries(
    {"id": st.integers(1, 3)},
    optional={"name": VALUES, "mail": VALUES, "note": VALUES, GONE: st.sampled_from([AT, LATER, None])},
)
WAYS = st.tuples(
    st.sampled_from(Deletes),
    st.sampled_from([WriteMode.UPSERT, WriteMode.HISTORY]),
    st.sampled_from([USERS, WITHOUT_MARKER]),
    st.sampled_from([3, 100]),
)
"""What happens to deleted rows, how rows are written, whether the marker is announced, and the rows of a commit."""
TASKS = st.lists(st.lists(RECORDS, max_size=12), min_size=1, max_size=3)


class Model:
    """The rows by their keys, after one record after another."""

    def __init__(self, deletes: Deletes) -> None:
        self._deletes = deletes
        self.rows: dict[int, Record] = {}

    def take(self, record: Record) -> None:
        deleted = record.get(GONE) is not None
        if deleted and self._deletes is not Deletes.MARK:
            if self._deletes is Deletes.REMOVE:
                self.rows.pop(record["id"], None)
            return
        known = record["id"] in self.rows
        row = self.rows.setdefault(record["id"], {})
        if not (deleted and known):
            row.update(record)
        row[GONE] = record.get(GONE)

    def table(self) -> list[tuple[Any, ...]]:
        return [
            (key, *(row.get(field) for field in ("name", "mail", "note")), row.get(GONE) is not None)
            for key, row in sorted(self.rows.items())
        ]


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Commits every three records, and stages two at a time."""
    monkeypatch.setattr(copying, "WRITE_RECORDS", 2)
    return Killer(monkeypatch)


@pytest.fixture
def collection(warehouse: Warehouse, tmp_path: Path) -> Collection:
    return Collection(warehouse.options(), tmp_path / "work")


def load(collection: Collection, *records: Record, table: Table = USERS) -> int:
    return collection.load(Sent(table, Rows("t", list(records), 1), Checkpoint("1")))


def one_by_one(*records: Record) -> list[Rows | Checkpoint]:
    """Each with a checkpoint behind it."""
    sent: list[Rows | Checkpoint] = []
    for number, record in enumerate(records):
        sent += [Rows("t", [record], 1), Checkpoint(str(number))]
    return sent


def users(warehouse: Warehouse, columns: str = "id, name, mail") -> list[tuple[Any, ...]]:
    return warehouse.execute(f"SELECT {columns} FROM loaded.t ORDER BY id")


@examples(25, share_fixtures=True)
@given(tasks=TASKS, way=WAYS)
def test_however_records_are_cut_into_pieces_absent_fields_change_nothing_and_deletes_do_what_is_asked(
    warehouse: Warehouse,
    killer: Killer,
    tmp_path: Path,
    tasks: list[list[Record]],
    way: tuple[Deletes, WriteMode, Table, int],
) -> None:
    deletes, mode, announced, commit_records = way
    killer.after(0)
    killer.commit_each(commit_records)
    schema = f"s{next(NUMBERS)}"
    collection = Collection(warehouse.options(schema), tmp_path / "work", mode=mode, deletes=deletes)
    model = Model(deletes)
    # The column of a field that nobody announced is there from the beginning.
    first = {"id": 0, "note": "x"}
    for number, records in enumerate([[first, {"id": 0} | dict.fromkeys(("name", "mail", GONE))], *tasks]):
        collection.load(Sent(announced, *one_by_one(*records), Checkpoint(str(number))))
        for record in records:
            model.take(record)
    current = " WHERE _syncline_valid_to IS NULL" if mode is WriteMode.HISTORY else ""
    marker = f"{GONE} IS NOT NULL" if has_column(warehouse, schema, GONE) else "false"
    found = warehouse.execute(f"SELECT id, name, mail, note, {marker} FROM {schema}.t{current} ORDER BY id")
    assert [(key, name, mail, decoded(note), gone) for key, name, mail, note, gone in found] == model.table()


def has_column(warehouse: Warehouse, schema: str, name: str) -> bool:
    there = f"table_schema = '{schema}' AND table_name = 't' AND column_name = '{name}'"
    return bool(warehouse.execute(f"SELECT 1 FROM information_schema.columns WHERE {there}"))


def decoded(note: str | None) -> str | None:
    """DuckDB's JSON comes as text."""
    return None if note is None else note.strip('"')


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.HISTORY])
def test_a_field_that_a_record_lacks_keeps_its_value_and_null_clears_it(
    collection: Collection, warehouse: Warehouse, mode: WriteMode
) -> None:
    collection.mode = mode
    load(collection, {"id": 1, "name": "Ada", "mail": "ada@example.com"}, {"id": 2, "name": "Bo", "mail": "b"})
    assert load(collection, {"id": 1, "mail": None}, {"id": 2, "name": "Bob"}, {"id": 3, "name": "Cy"}) == 3
    current = "" if mode is WriteMode.UPSERT else "WHERE _syncline_valid_to IS NULL "
    found = warehouse.execute(f"SELECT id, name, mail FROM loaded.t {current}ORDER BY id")
    assert found == [(1, "Ada", None), (2, "Bob", "b"), (3, "Cy", None)]
    assert load(collection, {"id": 1}, {"id": 2, "name": "Bob"}) == 0, "nothing has changed"


def test_many_records_of_many_columns_are_put_together(collection: Collection, warehouse: Warehouse) -> None:
    fields = [f"c{number}" for number in range(100)]
    wide = Table("t", {"id": Kind.INTEGER} | dict.fromkeys(fields, Kind.TEXT), key=("id",), partial=True)
    load(collection, *({"id": key, "c0": "old"} for key in range(1000)), table=wide)
    load(collection, *({"id": key, field: field} for field in fields[1:] for key in (1, 2)), {"id": 3}, table=wide)
    together = " AND ".join(f"{field} = '{field}'" for field in fields[1:])
    assert users(warehouse, f"id, c0 || coalesce(c99, ''), coalesce({together}, false)")[:5] == [
        (0, "old", False),
        (1, "oldc99", True),
        (2, "oldc99", True),
        (3, "old", False),
        (4, "old", False),
    ]


def test_a_source_of_whole_records_empties_the_columns_that_a_record_lacks(
    collection: Collection, warehouse: Warehouse
) -> None:
    whole = dataclasses.replace(USERS, partial=False, delete_marker=None)
    load(collection, {"id": 1, "name": "Ada", "mail": "a"}, table=whole)
    load(collection, {"id": 1, "name": "Ada"}, table=whole)
    assert users(warehouse) == [(1, "Ada", None)]


def test_in_a_table_that_is_replaced_only_records_of_the_same_reading_complete_each_other(
    collection: Collection, warehouse: Warehouse
) -> None:
    snapshot = dataclasses.replace(USERS, full_refresh=True)
    load(collection, {"id": 1, "name": "Ada", "mail": "a"}, {"id": 2, "name": "Bo", "mail": "b"}, table=snapshot)
    load(collection, {"id": 1, "name": "Eve"}, {"id": 2, "mail": "c"}, {"id": 2, "name": "Bob"}, table=snapshot)
    assert users(warehouse) == [(1, "Eve", None), (2, "Bob", "c")]


def test_rows_that_are_added_have_only_the_fields_of_their_records(
    collection: Collection, warehouse: Warehouse
) -> None:
    collection.mode = WriteMode.APPEND
    load(collection, {"id": 1, "name": "Ada", "mail": "a"}, {"id": 1, GONE: AT, "name": None})
    assert users(warehouse, f"id, name, mail, {GONE} IS NULL") == [(1, "Ada", "a", True), (1, None, None, False)]


def test_partial_versions_are_put_together_in_the_order_of_their_cursors(
    collection: Collection, warehouse: Warehouse
) -> None:
    columns = FIELDS | {"at": Kind.TEXT}
    versions = dataclasses.replace(USERS, columns=columns, newest_by=("at",))
    load(
        collection,
        {"id": 1, "at": "3", "name": "newest"},
        {"id": 1, "at": "1", "name": "oldest", "mail": "oldest"},
        {"id": 1, "at": "2", "mail": "middle"},
        {"id": 2, "at": "10", "name": "not comparable"},
        {"id": 2, "at": "9", "mail": "last"},
        {"id": 3, "mail": "without a cursor"},
        {"id": 3, "at": "1", "name": "with one"},
        {"id": 3, "name": "without one"},
        table=versions,
    )
    assert users(warehouse) == [
        (1, "newest", "middle"),
        (2, "not comparable", "last"),
        (3, "with one", "without a cursor"),
    ]
    load(collection, {"id": 1, "at": "2", "name": "late"}, {"id": 1, "at": "4", "mail": "next"}, table=versions)
    assert users(warehouse, "name, mail")[0] == ("newest", "next")


def test_arrays_and_other_types_of_the_users_own_table_are_completed(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute("CREATE TABLE loaded.t (id bigint PRIMARY KEY, name text[] NOT NULL, mail json, newest point)")
    collection = Collection(postgres.options(), tmp_path / "work")
    table = Table("t", FIELDS | {"newest": Kind.TEXT}, key=("id",), partial=True)
    load(collection, {"id": 1, "name": '{a,"b c"}', "mail": {"x": 1}, "newest": "(1,2)"}, table=table)
    load(collection, {"id": 1, "mail": {"x": 2}}, {"id": 1, "newest": "(3,4)"}, table=table)
    assert users(postgres, "name, mail, newest::text") == [(["a", "b c"], {"x": 2}, "(3,4)")]


def test_a_deleted_row_is_marked_and_keeps_its_values_whatever_its_record_says(
    collection: Collection, warehouse: Warehouse
) -> None:
    marked = f"id, name, {GONE} IS NOT NULL"
    load(collection, {"id": 1, "name": "Ada", "mail": "a"}, {"id": 2, "name": "Bo", "mail": "b"})
    written = load(collection, {"id": 1, GONE: AT}, {"id": 2, "name": None, "mail": None, GONE: AT})
    assert written == 2
    assert users(warehouse, marked) == [(1, "Ada", True), (2, "Bo", True)]
    assert load(collection, {"id": 1, "mail": "new"}) == 1
    assert users(warehouse, f"{marked}, mail") == [(1, "Ada", False, "new"), (2, "Bo", True, "b")]
    said = "table 't': 2 records of deleted rows were marked in '_sdc_deleted_at' ('deletes: mark')"
    assert said in [line.message for line in collection.told if isinstance(line, LogLine)]


def test_a_deleted_row_that_never_came_has_what_its_record_says(collection: Collection, warehouse: Warehouse) -> None:
    load(collection, {"id": 1, "name": "Ada", GONE: AT}, {"id": 1, GONE: LATER, "name": "other", "mail": "other"})
    assert users(warehouse, f"id, name, mail, {GONE} IS NULL") == [(1, "Ada", None, False)]


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.HISTORY, WriteMode.REPLACE])
def test_a_deleted_row_is_removed_and_leaves_nothing_to_the_next_row_of_its_key(
    collection: Collection, warehouse: Warehouse, mode: WriteMode
) -> None:
    collection.mode, collection.deletes = mode, Deletes.REMOVE
    table = dataclasses.replace(USERS, full_refresh=mode is WriteMode.REPLACE)
    before = [{"id": key, "name": "old", "mail": "old"} for key in (1, 2, 3)]
    changes = [{"id": 1, "name": "last", GONE: AT}, {"id": 2, GONE: AT}, {"id": 2, "name": "new"}, {"id": 4, GONE: AT}]
    if mode is WriteMode.REPLACE:
        load(collection, *before, *changes, table=table)
    else:
        load(collection, *before)
        assert load(collection, *changes) == 2
    current = "WHERE _syncline_valid_to IS NULL" if mode is WriteMode.HISTORY else ""
    found = warehouse.execute(f"SELECT id, name, mail, {GONE} IS NULL FROM loaded.t {current} ORDER BY id")
    assert found == [(2, "new", None, True), (3, "old", "old", True)]
    if mode is WriteMode.HISTORY:
        ended = "SELECT id, name FROM loaded.t WHERE _syncline_valid_to IS NOT NULL ORDER BY id"
        assert warehouse.execute(ended) == [(1, "old"), (2, "old")]


def test_ignored_deletes_are_left_out_and_counted_once_per_task(
    collection: Collection, warehouse: Warehouse, killer: Killer
) -> None:
    killer.after(0)
    collection.deletes = Deletes.IGNORE
    load(collection, {"id": 1, "name": "Ada", "mail": "a"})
    assert collection.load(Sent(USERS, *one_by_one(*({"id": key, GONE: AT} for key in (1, 2, 3, 1))))) == 0
    assert users(warehouse) == [(1, "Ada", "a")]
    lines = [line.message for line in collection.told if isinstance(line, LogLine)]
    assert lines == ["table 't': 4 records of deleted rows were left out ('deletes: ignore')"]


def test_a_mark_is_cleared_by_a_record_without_one_even_if_the_source_no_longer_announces_it(
    collection: Collection, warehouse: Warehouse
) -> None:
    load(collection, {"id": 1, "name": "Ada", "mail": "a"}, {"id": 1, GONE: AT})
    load(collection, {"id": 1, "name": "Eve"}, table=WITHOUT_MARKER)
    assert users(warehouse, f"id, name, mail, {GONE} IS NULL") == [(1, "Eve", "a", True)]


def test_a_mark_that_has_no_column_is_not_discarded(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.t (id bigint, name text, mail text)")
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.DISCARD)
    with pytest.raises(ConfigurationError, match="no column for '_sdc_deleted_at', which says that a row was deleted"):
        load(collection, {"id": 1, GONE: AT})
    collection.deletes = Deletes.IGNORE
    assert load(collection, {"id": 1, GONE: AT}, {"id": 2, "name": "Bo"}) == 1
    assert users(warehouse) == [(2, "Bo", None)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_dlt_loads_a_warning_tells_that_absent_fields_are_emptied(duckdb: Duckdb, tmp_path: Path) -> None:
    options = {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(duckdb.path)}
    collection = Collection(options, tmp_path / "work")

    def load_anew(record: Record, deletes: Deletes | None = None) -> int:
        collection.directory, collection.deletes = tmp_path / f"work {collection.tasks}", deletes
        return load(collection, record)

    load_anew({"id": 1, "name": "Ada", "mail": "a"})
    warned = "some records lack fields or say that their row was deleted, and this destination keeps nothing"
    assert warned not in str(collection.told)
    load_anew({"id": 1, "name": "Eve"})
    assert str(collection.told).count(warned) == 1
    assert load_anew({"id": 1, GONE: AT}, Deletes.IGNORE) == 0
    with pytest.raises(ConfigurationError, match="this destination cannot remove single rows: set 'deletes: mark'"):
        load_anew({"id": 1, GONE: AT}, Deletes.REMOVE)
    assert duckdb.execute("SELECT id, name, mail FROM loaded.t") == [(1, "Eve", None)]
