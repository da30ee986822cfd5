"""`columns` of a collection: what is chosen, renamed and hashed on the way from any source to any destination."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import TableDescribed
from tests.connectors.attempts import Duckdb, Postgres, Scene, Trial, record, schema, state
from tests.connectors.destinations.parquet.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.connectors.attempts import Told, Warehouse

ORDERS = """
    CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, "E-Mail" TEXT, total REAL, note TEXT, secret TEXT)
"""
ROWS = [
    (1, 10, "ada@example.com", 9.5, "first", "x"),
    (2, 20, "ada@example.com", 10.0, None, "y"),
    (3, 30, None, 0.25, "third", "z"),
]
WHOLE = {"sync_mode": "full_refresh", "cursor_field": None, "primary_key": None}
KEYED = {"sync_mode": "incremental", "cursor_field": "at", "primary_key": ["id"]}
SHAPED = {
    "exclude": ["se*"],
    "rename": {"id": "order_id", "E-Mail": "mail", "at": "changed_at"},
    "hash": ["E-Mail"],
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Shop:
    """A table of SQLite on its way to destinations."""

    def __init__(self, directory: Path, **destinations: dict[str, Any]) -> None:
        self._database = directory / "shop.db"
        self.trial = Trial(directory, destinations, "sql", {"url": f"sqlite:///{self._database}"})
        self.trial.collection = {"type": "orders", **KEYED}
        self.execute(ORDERS)
        self.insert(*ROWS)

    def execute(self, statement: str) -> None:
        with sqlite3.connect(self._database) as connection:
            connection.execute(statement)

    def insert(self, *rows: tuple[Any, ...]) -> None:
        with sqlite3.connect(self._database) as connection:
            connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows)

    def load(self, columns: dict[str, Any] | None = None, **changes: Any) -> Told:
        self.trial.collection |= changes
        self.trial.collection.pop("columns", None)
        if columns is not None:
            self.trial.collection["columns"] = columns
        return self.trial.run()

    def reset(self) -> None:
        self.trial.generation += 1


@pytest.fixture
def shop(tmp_path: Path, warehouse: Warehouse) -> Shop:
    return Shop(tmp_path, there=warehouse.options())


@pytest.fixture
def made(warehouse: Warehouse) -> Callable[[str], list[tuple[Any, ...]]]:
    def select(columns: str) -> list[tuple[Any, ...]]:
        return warehouse.execute(f"SELECT {columns} FROM loaded.made ORDER BY 1")

    return select


def columns_of(warehouse: Warehouse) -> set[str]:
    found = warehouse.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'loaded' AND table_name = 'made'"
    )
    return {name for (name,) in found if not name.startswith("_syncline")}


def test_a_table_gets_the_columns_that_are_asked_for_and_the_second_run_loads_nothing_new(
    shop: Shop, warehouse: Warehouse, made: Callable[[str], Any]
) -> None:
    assert shop.load(SHAPED).finished.rows_written == len(ROWS)
    assert columns_of(warehouse) == {"order_id", "changed_at", "mail", "total", "note"}
    ada = sha("ada@example.com")
    assert made("order_id, changed_at, mail, total, note") == [
        (1, 10, ada, 9.5, "first"),
        (2, 20, ada, 10.0, None),
        (3, 30, None, 0.25, "third"),
    ]
    assert shop.load(SHAPED).finished.rows_written == 0
    shop.insert((1, 40, "grace@example.com", 9.5, "again", "x"))
    assert shop.load(SHAPED).finished.rows_written == 1
    assert made("order_id, mail")[0] == (1, sha("grace@example.com"))


def test_the_columns_of_a_load_are_told_under_their_names_at_the_source(shop: Shop) -> None:
    told = shop.load(SHAPED)
    (described,) = [message for message in told.messages if isinstance(message, TableDescribed)]
    shown = {column.field: (column.column, column.field_type) for column in described.columns}
    assert shown["E-Mail"] == ("mail", "TEXT")
    assert shown["id"][0] == "order_id"
    assert "secret" not in shown


def test_a_history_follows_the_renamed_key(shop: Shop, made: Callable[[str], Any]) -> None:
    shop.load(SHAPED, write_mode="history")
    shop.insert((2, 50, "ada@example.com", 11.0, None, "not loaded"))
    assert shop.load(SHAPED).finished.rows_written == 1
    assert sorted(made("order_id, total, _syncline_valid_to IS NULL")) == [
        (1, 9.5, True),
        (2, 10.0, False),
        (2, 11.0, True),
        (3, 0.25, True),
    ]


def test_appended_rows_that_come_again_are_recognised_by_a_renamed_cursor(
    shop: Shop, made: Callable[[str], Any]
) -> None:
    for _ in range(2):
        shop.load(SHAPED, write_mode="append")
    assert [row[0] for row in made("order_id")] == [1, 2, 3]


def test_a_hashed_key_still_identifies_rows(shop: Shop, made: Callable[[str], Any]) -> None:
    columns = {"hash": ["id"], "include": ["id", "at"]}
    shop.load(columns)
    shop.insert((3, 40, None, 0.25, "third", "z"))
    shop.load(columns)
    assert sorted(made('id, "at"')) == sorted([(sha("1"), 10), (sha("2"), 20), (sha("3"), 40)])


def test_files_of_parquet_get_them_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    shop = Shop(tmp_path, lake=lake.options)
    for _ in range(2):
        shop.load(SHAPED, write_mode="append")
    assert lake.select("order_id, mail, total", table="made") == [
        (1, sha("ada@example.com"), 9.5),
        (2, sha("ada@example.com"), 10.0),
        (3, None, 0.25),
    ]


def test_files_and_tables_of_dlt_that_are_gone_contradict_no_other_columns(tmp_path: Path, duckdb: Duckdb) -> None:
    lake = Lake(tmp_path / "lake")
    dlt = {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(duckdb.path)}
    shop = Shop(tmp_path, lake=lake.options, dlt=dlt)
    shop.load(None, write_mode="append")
    named = {"rename": {"id": "number"}}
    assert "names or hashes 'id' in another way than before" in shop.load(named).failed.error
    for name in lake.files:
        (lake.path / name).unlink()
    duckdb.execute("DROP TABLE loaded.made")
    assert shop.load(named).finished.rows_written == 2 * len(ROWS)
    assert lake.select("number", table="made") == duckdb.execute("SELECT number FROM loaded.made ORDER BY 1")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"exclude": ["i?"]}, "leaves out 'id', which is in the key of table 'made': take it too, hashed if nobody"),
        ({"include": ["id", "total"]}, "leaves out 'at', which tells the newer rows of table 'made': take it too"),
        (
            {"hash": ["a*"]},
            "'columns.hash' hashes 'at', which tells the newer rows of table 'made', and hashes",
        ),
        ({"rename": {"note": "total"}}, "the fields 'total' and 'note' of table 'made' would both become 'total'"),
        ({"rename": {"note": "total", "total": "note", "secret": "note"}}, "would both become 'note'"),
    ],
)
def test_rules_that_would_lose_rows_or_values_are_refused(shop: Shop, columns: dict[str, Any], message: str) -> None:
    failed = shop.load(columns).failed
    assert message in failed.error
    subject = "source 'source', collection 'made': "
    assert (failed.error.startswith(subject), failed.error.count("source '")) == (True, 1)
    assert not failed.retryable


def test_the_subject_of_several_refused_tables_is_told_once(shop: Shop) -> None:
    shop.execute("CREATE TABLE more (id INTEGER PRIMARY KEY, at TEXT)")
    failed = shop.load({"exclude": ["id"]}, type="all", table_name="source_all", **WHOLE).failed
    assert failed.error.startswith("source 'source', collection 'made': 'columns' leaves out 'id'")
    assert "of table 'source_more'" in failed.error
    assert "of table 'source_orders'" in failed.error
    assert failed.error.count("source '") == 1


def test_columns_may_swap_their_names(shop: Shop, made: Callable[[str], Any]) -> None:
    shop.load({"rename": {"note": "secret", "secret": "note"}})
    assert made("id, note, secret")[0] == (1, "x", "first")


def test_no_column_left_is_refused(shop: Shop) -> None:
    shop.trial.collection = {"type": "orders", "sync_mode": "full_refresh", "primary_key": None}
    assert "'columns' leaves out all fields of table 'made'" in shop.load({"include": ["nothing*"]}).failed.error


def test_a_name_that_no_field_has_is_warned_of_with_the_nearest(shop: Shop) -> None:
    told = shop.load({"exclude": ["secrt", "x*"], "hash": ["E-Mail"], "rename": {"notes": "n"}})
    warnings = [line.split(": ", 1)[1] for line in told.lines if "which no table and no record had" in line]
    assert warnings == [
        "'columns.exclude' names 'secrt', which no table and no record had; did you mean 'secret'?",
        "'columns.rename' names 'notes', which no table and no record had; did you mean 'note'?",
    ]


def test_a_column_that_is_included_later_is_null_in_old_rows(shop: Shop, made: Callable[[str], Any]) -> None:
    shop.load({"exclude": ["note"]})
    shop.insert((4, 60, None, 1.0, "new", ""))
    told = shop.load({})
    # The source sends the row at its bookmark again.
    assert made("id, note") == [(1, None), (2, None), (3, "third"), (4, "new")]
    assert any("'columns' has changed: rows that are there keep what they have" in line for line in told.lines)
    shop.reset()
    shop.load({})
    assert made("id, note") == [(1, "first"), (2, None), (3, "third"), (4, "new")]
    assert not any("'columns' has changed" in line for line in shop.load({}).lines)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"rename": {"id": "order_id"}}),
        ({"rename": {"id": "order_id"}}, None),
        (None, {"hash": ["id"]}),
        ({"hash": ["id"]}, None),
    ],
)
@pytest.mark.parametrize("sync_mode", ["incremental", "full_refresh"])
def test_another_name_or_hash_of_the_key_doubles_no_rows(
    shop: Shop, warehouse: Warehouse, before: dict[str, Any] | None, after: dict[str, Any] | None, sync_mode: str
) -> None:
    # A key of text, so that hashes fit in the column.
    shop.execute("DROP TABLE orders")
    shop.execute("CREATE TABLE orders (id TEXT, at INTEGER, e TEXT, t REAL, n TEXT, s TEXT)")
    shop.insert(*((str(row[0]), *row[1:]) for row in ROWS))
    shop.trial.collection |= {"sync_mode": sync_mode, "write_mode": "upsert"}
    if sync_mode == "full_refresh":
        del shop.trial.collection["cursor_field"]
    shop.load(before)
    shop.insert(("1", 70, None, 1.0, "changed", ""))
    failed = shop.load(after).failed
    assert "'syncline sources reset'" in failed.error
    assert not failed.retryable
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(3,)]
    shop.load(before)
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(3,)], "undone"
    shop.reset()
    assert shop.load(after).finished.rows_written == len(ROWS), "or reset"
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(3,)]


def test_a_primary_key_that_the_database_fills_stays(tmp_path: Path, postgres: Postgres) -> None:
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute("CREATE TABLE loaded.made (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total text)")
    shop = Shop(tmp_path, there=postgres.options())
    shop.load(write_mode="replace", sync_mode="full_refresh", primary_key=None, cursor_field=None)
    assert postgres.execute("SELECT count(DISTINCT number) FROM loaded.made") == [(3,)]
    assert postgres.execute(
        "SELECT contype FROM pg_constraint WHERE conrelid = 'loaded.made'::regclass AND contype = 'p'"
    )


def test_appended_rows_are_not_doubled_by_another_name(shop: Shop, warehouse: Warehouse) -> None:
    shop.load(write_mode="append")
    assert "names or hashes 'note' in another way" in shop.load({"rename": {"note": "remark"}}).failed.error
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(3,)]


USERS = schema(["id"], id="integer", name="string", mail="string", _sdc_deleted_at="string")


class Users:
    """Partial records of a tap, with records of deleted rows."""

    def __init__(self, scene: Scene, columns: dict[str, Any], **keys: Any) -> None:
        scene.config = {"key": ["id"], "fifo": str(scene.fifo)}
        scene.collection = {"columns": columns, "sync_mode": "incremental", "cursor_field": "id", **keys}
        self._scene = scene

    def load(self, *messages: dict[str, Any]) -> Told:
        return self._scene.load(USERS, *messages, state({"at": 1}))


def test_partial_records_leave_other_columns_as_they_are(scene: Scene, made: Callable[[str], Any]) -> None:
    users = Users(scene, {"rename": {"id": "key", "name": "called"}, "hash": ["mail"]})
    users.load(record(id=1, name="Ada", mail="a@x"), record(id=2, name="Grace", mail="g@x"))
    users.load(record(id=1, mail="new@x"), record(id=2, name=None))
    assert made("key, called, mail") == [(1, "Ada", sha("new@x")), (2, None, sha("g@x"))]
    assert users.load(record(id=1, mail="new@x")).finished.rows_written == 0


@pytest.mark.parametrize("deletes", ["mark", "remove", "ignore"])
def test_deleted_rows_are_found_by_a_renamed_marker(scene: Scene, made: Callable[[str], Any], deletes: str) -> None:
    rename = {"_sdc_deleted_at": "gone", "_sdc_lsn": "lsn", "id": "key"}
    users = Users(scene, {"rename": rename}, deletes=deletes)
    users.load(record(id=1, name="Ada", _sdc_lsn="5"), record(id=2, name="Grace", _sdc_lsn="6"))
    users.load(record(id=2, name=None, _sdc_lsn="7", _sdc_deleted_at="2024-05-01"))
    found = made("key, name, gone, CAST(lsn AS text)")
    assert found[0] == (1, "Ada", None, '"5"')
    expected: dict[str, list[Any]] = {
        "mark": [(2, "Grace", "2024-05-01", '"7"')],
        "remove": [],
        "ignore": [(2, "Grace", None, '"6"')],
    }
    assert found[1:] == expected[deletes]


def test_the_marker_of_deleted_rows_need_not_be_included(scene: Scene, made: Callable[[str], Any]) -> None:
    users = Users(scene, {"include": ["id", "name"]})
    users.load(record(id=1, name="Ada", mail="a@x"), record(id=2, name="Grace"))
    users.load(record(id=2, _sdc_deleted_at="2024-05-01"))
    assert made("id, name, _sdc_deleted_at") == [(1, "Ada", None), (2, "Grace", "2024-05-01")]
    failed = Users(scene, {"exclude": ["_sdc_*"]}).load().failed
    assert "'columns.exclude' leaves out '_sdc_deleted_at', which says that a row" in failed.error


def test_fields_that_nobody_announced_follow_the_rules(scene: Scene, warehouse: Warehouse) -> None:
    users = Users(scene, {"exclude": ["tmp_*"], "rename": {"extra": "more"}, "hash": ["phone*"]})
    users.load(record(id=1, name="Ada", tmp_x=1, extra="e", phone_1="123", phone_2=None))
    assert columns_of(warehouse) == {"id", "name", "mail", "_sdc_deleted_at", "more", "phone_1"}
    found = warehouse.execute("SELECT CAST(more AS text), phone_1 FROM loaded.made")
    assert found == [('"e"', sha("123"))]
    users.load(record(id=1, phone_1="124"), record(id=2, phone_2="5"))
    assert warehouse.execute("SELECT id, phone_1, phone_2 FROM loaded.made ORDER BY id") == [
        (1, sha("124"), None),
        (2, None, sha("5")),
    ]


def test_a_late_field_with_the_new_name_of_another_is_refused(scene: Scene) -> None:
    users = Users(scene, {"rename": {"name": "called"}})
    assert "the fields 'name' and 'called' of table 'made' would both become 'called'" in (
        users.load(record(id=1, name="Ada", called="x")).failed.error
    )


def test_records_of_files_are_hashed_as_canonical_text(
    tmp_path: Path, warehouse: Warehouse, made: Callable[[str], Any]
) -> None:
    lines = [{"id": 1, "v": {"b": 1.50, "a": [True, None]}}, {"id": 2, "v": 10.0}, {"id": 3, "v": "10"}, {"id": 4}]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    trial = Trial(tmp_path, {"there": warehouse.options()}, "files")
    trial.collection = {
        "parameters": {"path": str(tmp_path / "in.jsonl")},
        "primary_key": ["id"],
        "write_mode": "upsert",
        "columns": {"hash": ["v"]},
    }
    assert trial.run().finished.rows_written == len(lines)
    assert made("id, v") == [(1, sha('{"a":[true,null],"b":1.5}')), (2, sha("10")), (3, sha("10")), (4, None)]
    assert trial.run().finished.rows_written == 0


def test_windows_of_time_without_a_key_are_replaced_as_before(shop: Shop, made: Callable[[str], Any]) -> None:
    shop.execute("DROP TABLE orders")
    shop.execute("CREATE TABLE orders (at TIMESTAMP, v TEXT)")
    shop.execute("INSERT INTO orders VALUES ('2024-01-01 10:00:00', 'a'), ('2024-01-02 10:00:00', 'b')")
    windows = {"length": "day", "start": "2024-01-01", "now": "2024-01-02T12:00:00Z"}
    shop.trial.collection = {"type": "orders", "cursor_field": "at", "windows": windows}
    columns = {"rename": {"at": "moment"}, "include": ["at", "v"]}
    shop.load(columns)
    shop.load(columns)
    assert made("v, moment IS NOT NULL") == [("a", True), ("b", True)]


def test_both_warehouses_of_one_source_get_the_same(tmp_path: Path, postgres: Postgres, duckdb: Duckdb) -> None:
    shop = Shop(tmp_path, there=postgres.options(), here=duckdb.options())
    shop.load(SHAPED)
    query = "SELECT order_id, mail FROM loaded.made ORDER BY 1"
    assert postgres.execute(query) == duckdb.execute(query)
