"""What arrives in a destination, and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import make_conninfo

from tests.connectors.attempts import Postgres, Scene, Warehouse, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "source 'source', collection 'made'"


def test_only_rows_that_really_change_are_written(scene: Scene, warehouse: Warehouse) -> None:
    announced = schema(["id"], id="integer", text="string", more="object")
    first = scene.load(announced, record(id=1, text="old"), record(id=1, text="a"), record(id=2, more={"b": [1]}))
    assert first.finished.rows_written == 2, "of equal keys the last one wins"
    second = scene.load(announced, record(id=1, text="a"), record(id=2, more={"b": [1]}), record(id=3))
    assert second.finished.rows_written == 1
    third = scene.load(announced, record(id=1, text=None), record(id=3))
    assert third.finished.rows_written == 1
    assert warehouse.execute("SELECT id, text FROM loaded.made ORDER BY id") == [(1, None), (2, None), (3, None)]


def test_every_row_tells_which_task_wrote_it_and_when(scene: Scene, warehouse: Warehouse) -> None:
    scene.load(schema(["id"], id="integer", v="integer"), record(id=1, v=1), record(id=2, v=1))
    scene.load(schema(["id"], id="integer", v="integer"), record(id=1, v=1), record(id=2, v=2))
    task_ids = warehouse.execute("SELECT _syncline_task_id FROM loaded.made ORDER BY id")
    assert [task_id.rpartition("-")[2] for (task_id,) in task_ids] == ["000000000001", "000000000002"]
    assert warehouse.execute("SELECT count(*) FROM loaded.made WHERE _syncline_synced_at <= now()") == [(2,)]


def test_rows_without_a_key_that_are_sent_again_are_not_doubled(scene: Scene, warehouse: Warehouse) -> None:
    announced = schema(id="integer", at="integer")
    twins = [record(id=7, at=2), record(id=7, at=2)]
    scene.load(announced, record(id=1, at=1), *twins, state(2))
    told = scene.load(announced, *twins, record(id=7, at=2), record(id=8, at=2), record(id=9, at=3), state(3))
    assert told.finished.rows_written == 3
    ids = warehouse.execute('SELECT id, "at" FROM loaded.made ORDER BY id, "at"')
    assert ids == [(1, 1), (7, 2), (7, 2), (7, 2), (8, 2), (9, 3)]


def test_rows_that_are_sent_again_are_told_by_their_numbers_not_by_their_zeros(
    tmp_path: Path, postgres: Postgres
) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()})
    announced = schema(at="integer", price="number")
    postgres.execute("CREATE SCHEMA loaded; CREATE TABLE loaded.made (at bigint, price numeric)")
    scene.load(announced, record(at=1, price=5), state(1))
    postgres.execute("UPDATE loaded.made SET price = 5.00")
    assert scene.load(announced, record(at=1, price=5.0), record(at=1, price=50), state(1)).finished.rows_written == 1


@pytest.mark.parametrize("bookmark", [False, True])
def test_rows_that_no_state_covers_and_nothing_tells_apart_are_not_loaded(
    scene: Scene, warehouse: Warehouse, *, bookmark: bool
) -> None:
    scene.collection = {"sync_mode": "incremental"}
    announced = schema(id="integer")
    assert scene.load(announced, record(id=1), record(id=2)).finished, "without a STATE all rows come again and replace"
    assert scene.load(announced, record(id=1), record(id=2), state({"page": 2})).finished
    failed = scene.load(announced, record(id=3), *([] if bookmark else [state({"page": 3}), record(id=4)])).failed
    assert "records of 'made' without a state that covers them" in failed.error
    assert not failed.retryable
    assert warehouse.execute("SELECT id FROM loaded.made ORDER BY id") == [(1,), (2,)]


def test_new_fields_become_columns_announced_or_not(scene: Scene, warehouse: Warehouse) -> None:
    scene.load(schema(["id"], id="integer"), record(id=1))
    told = scene.load(
        schema(["id"], id="integer", added="string"),
        record(id=2, added="x"),
        schema(["id"], id="integer", added="string", later="boolean"),
        record(id=3, later=True),
        record(id=4, unannounced=[1, "a"]),
    )
    assert told.finished.rows_written == 3
    columns = "id, added, later, CAST(unannounced AS text)"
    rows = warehouse.execute(f"SELECT {columns} FROM loaded.made ORDER BY id")
    assert [(*row[:3], row[3] and json.loads(row[3])) for row in rows] == [
        (1, None, None, None),
        (2, "x", None, None),
        (3, None, True, None),
        (4, None, None, [1, "a"]),
    ]


def test_a_fraction_for_a_bigint_is_refused_and_not_rounded(scene: Scene, warehouse: Warehouse) -> None:
    announced = schema(["id"], id="integer", count="integer")
    scene.load(announced, record(id=1, count=1))
    failed = scene.load(schema(["id"], id="integer", count="number"), record(id=2, count=1.5)).failed
    assert not failed.retryable
    for named in ("'warehouse'", "'made'", "'count'", "bigint", "cannot hold 1.5", "fraction"):
        assert named in failed.error.lower()
    assert warehouse.execute("SELECT id, count FROM loaded.made") == [(1, 1)]


def test_the_type_of_the_existing_column_decides(scene: Scene, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.made (id integer, price decimal(5, 2), real real, note varchar)")
    announced = schema(id="integer", price="number", real="number", note="integer", at="integer")
    assert scene.load(announced, record(id=1, price=1.5, real=0.5, note=5)).finished.rows_written == 1
    assert warehouse.execute("SELECT id, price, real, note FROM loaded.made") == [(1, Decimal("1.50"), 0.5, "5")]
    for wrong in (record(id=2**31), record(price=1.234), record(price=1000), record(real=16_777_217)):
        assert "cannot hold" in scene.load(announced, wrong).failed.error


@pytest.mark.parametrize("value", [None, 5, "text \0", [1, {"a": 2}], {"bookmarks": {"x": {"at": 1.10}}}, {}])
def test_a_state_of_any_shape_is_kept_and_given_back(scene: Scene, value: Any) -> None:
    scene.config["key"] = []
    told = scene.load(schema(["id"], id="integer"), record(id=1), state(value), "ACTIVATE", '{"type": "UNHEARD_OF"}')
    assert told.committed[-1].bookmark == value
    assert told.lines == ["ACTIVATE"]
    again = scene.load(schema(["id"], id="integer"))
    assert again.committed[-1].bookmark == value, "a pass without a STATE keeps the bookmark"


def test_lines_that_are_no_text_become_log_lines_and_broken_messages_errors(scene: Scene) -> None:
    told = scene.load("hex:636166ff", schema(["id"], id="integer"), '{"type":"RECORD","stream":"made","record":{"id":1')
    assert told.lines == ["caf\ufffd"]
    assert told.failed.error.startswith(f"{PLACE}: line 3 of the tap's output: not a Singer message")
    assert told.failed.retryable


def test_a_full_refresh_replaces_all_rows_and_keeps_no_bookmark(scene: Scene, warehouse: Warehouse) -> None:
    scene.collection = {"sync_mode": "full_refresh"}
    for ids in ([1, 2, 3], [3, 4]):
        told = scene.load(schema(["id"], id="integer"), *(record(id=each) for each in ids), state(9))
        assert told.committed[-1].bookmark is None
        assert warehouse.execute("SELECT id FROM loaded.made ORDER BY id") == [(each,) for each in ids]


def test_a_new_generation_loads_everything_anew_and_shows_the_old_rows_until_then(
    scene: Scene, warehouse: Warehouse
) -> None:
    scene.run()
    warehouse.execute("UPDATE loaded.made SET text = 'stale'")
    warehouse.execute('INSERT INTO loaded.made (id, "at") VALUES (999, 999)')
    scene.generation = 1
    scene.load(schema(["id"], id="integer", at="integer", text="string"), record(id=5), state({"at": 1}), code=3)
    assert warehouse.execute("SELECT count(*) FROM loaded.made WHERE text = 'stale'") == [(20,)]
    told = scene.run()
    assert told.finished.records_read == 20
    assert warehouse.execute("SELECT count(*), max(id) FROM loaded.made WHERE text <> 'stale'") == [(20, 19)]
    assert scene.run().finished.records_read == 5, "the bookmark of the new generation counts again"


def test_a_bookmark_of_any_other_generation_is_void(scene: Scene, warehouse: Warehouse) -> None:
    scene.generation = 7_345_678_901_234_567
    scene.run()
    assert warehouse.execute("SELECT generation FROM loaded._syncline_bookmarks") == [(scene.generation,)]
    assert scene.run().finished.records_read == 5
    for other in (1, scene.generation - 1, scene.generation + 1):
        scene.generation = other
        assert scene.run().finished.records_read == 20


def test_a_store_that_knows_of_no_reset_goes_on_from_the_destination_s_bookmark(scene: Scene) -> None:
    scene.generation = 3
    scene.run()
    scene.generation = 0
    assert scene.run().finished.records_read == 5
    scene.generation = 3
    assert scene.run().finished.records_read == 20


def test_a_keyless_collection_that_becomes_incremental_is_not_doubled(scene: Scene, warehouse: Warehouse) -> None:
    scene.config["key"] = []
    scene.collection = {"sync_mode": "full_refresh"}
    scene.run()
    scene.collection = {"sync_mode": "incremental"}
    scene.run()
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(20,)]


def test_a_destination_that_keeps_nothing_does_not_make_the_source_be_read_twice(scene: Scene) -> None:
    scene.destinations = {"nowhere": {"type": "none"}} | scene.destinations
    scene.run()
    assert scene.run(rows=21).finished.records_read == 6


def test_a_record_without_its_key_is_refused(scene: Scene) -> None:
    assert "key field 'id'" in scene.load(schema(["id"], id="integer"), record(text="x")).failed.error


def test_a_destination_that_cannot_be_reached_fails_before_the_tap_starts(scene: Scene, postgres: Postgres) -> None:
    scene.destinations = {"broken": {"type": "postgres", "url": make_conninfo(postgres.url, dbname="none")}}
    told = scene.load("the tap has started")
    assert "destination 'broken': cannot connect" in told.failed.error
    assert not told.failed.retryable
    assert not told.lines


def test_a_tap_that_fails_says_so_and_its_secrets_stay_secret(scene: Scene) -> None:
    tap = scene.directory / "tap.py"
    tap.write_text("import sys; sys.exit('LoginError: cannot log in with hunter2!\\n(a footnote)')")
    told = scene.run(password="hunter2!")
    assert told.failed.error == f"{PLACE}: the tap ended with code 1: LoginError: cannot log in with ***"
    assert told.failed.retryable
    assert [(line.level, line.message) for line in told.logged if line.system == "tap.py"] == [
        ("error", "LoginError: cannot log in with ***"),
        ("debug", "(a footnote)"),
    ]


def test_a_tap_sees_nothing_of_the_environment_that_it_does_not_need(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "HTTP_BASIC_PASSWORD", "PIP_INDEX_URL", "ALL_PROXY", "SYNCLINE_ATTEMPT"):
        monkeypatch.setenv(name, "a")
    tap = scene.directory / "tap.py"
    tap.write_text("import os; print(sorted(os.environ))")
    (line,) = scene.run().lines
    assert "PATH" in line
    assert "ALL_PROXY" in line
    # By its mark it is found when the attempt is killed.
    assert "SYNCLINE_ATTEMPT" in line
    for secret in ("DATABASE_URL", "HTTP_BASIC_PASSWORD", "PIP_INDEX_URL"):
        assert secret not in line
