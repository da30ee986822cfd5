"""Tables that Jitsu Classic v1.44.8 has made and filled, loaded on with `naming: classic`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.schema import Kind, Table
from app.connectors.making import plan_tables
from tests.connectors.attempts import Postgres, Scene, record, schema, unheard

if TYPE_CHECKING:
    from pathlib import Path

# Columns in the order of their definitions, then the key, whose name has that of the schema.
DEFINITIONS = [
    '"_source_id" text',
    '"_timestamp" timestamp',
    '"day" text',
    "\"eventn_ctx_event_id\" text not null default ''",
    '"firstname" text',
    '"id" bigint',
    '"nested_b" bigint',
    '"nested_old" text',
    '"order_total" double precision',
    '"src" text',
    '"tags" text',
    '"when" timestamp',
]
KEY = 'ALTER TABLE "loaded"."source_my_stream_x" ADD CONSTRAINT loaded_source_my_stream_x_pk PRIMARY KEY'
STREAM = "My-Stream.X"
CATALOG = {"streams": [{"tap_stream_id": STREAM, "stream": STREAM, "schema": {}}]}
ANNOUNCED = schema(
    ["Id"],
    Id="integer",
    firstName={"type": ["null", "string"]},
    **{"Order Total": {"type": "number"}},
    nested={"type": "object", "properties": {"b": {"type": "integer"}}},
    tags="array",
    day={"type": "string", "format": "date"},
    when={"type": "string", "format": "date-time"},
    unused={"type": ["null", "string"]},
) | {"stream": STREAM}


def event_id(number: int) -> str:
    return hashlib.md5(f"{number}|".encode(), usedforsecurity=False).hexdigest()


def row(number: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "Id": number,
        "firstName": f"name {number}",
        "Order Total": 1.5,
        "nested": {"b": 2},
        "tags": ["a", number],
        "day": "2024-01-02",
        "when": "2024-01-02T03:04:05Z",
        "unused": None,
    }
    return record(**(fields | changes)) | {"stream": STREAM}


def left_by_classic(postgres: Postgres, *, key: str = "eventn_ctx_event_id", rows: int = 3) -> None:
    postgres.execute('CREATE SCHEMA IF NOT EXISTS "loaded"')
    postgres.execute(f'CREATE TABLE "loaded"."source_my_stream_x" ({", ".join(DEFINITIONS)})')
    if key:
        postgres.execute(f'{KEY} ("{key}")')
    for number in range(1, rows + 1):
        tags = json.dumps(["a", number], separators=(",", ":"))
        postgres.execute(
            "INSERT INTO loaded.source_my_stream_x VALUES ('source', '2024-05-01 00:00:00', '2024-01-02',"
            f" '{event_id(number)}', 'name {number}', {number}, 2, 'gone', 1.5, 'source', '{tags}',"
            " '2024-01-02 03:04:05')"
        )


def scene(directory: Path, postgres: Postgres, *, full_refresh: bool = False, **options: Any) -> Scene:
    made = Scene(directory, {"warehouse": postgres.options() | {"naming": "classic"} | options})
    made.catalog = CATALOG
    made.collection = {"name": "all", "type": "all", "table_name": "source_all"}
    made.collection |= {"sync_mode": "full_refresh"} if full_refresh else {"cursor_field": "Id"}
    return made


def shape(postgres: Postgres) -> tuple[list[Any], list[Any]]:
    """Columns and indexes of the table."""
    columns = postgres.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = 'loaded.source_my_stream_x'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    indexes = postgres.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'loaded' AND tablename = 'source_my_stream_x' ORDER BY 1"
    )
    return columns, indexes


def test_a_table_of_classic_is_loaded_on_without_a_lost_or_doubled_row(postgres: Postgres, tmp_path: Path) -> None:
    left_by_classic(postgres)
    columns, indexes = shape(postgres)
    told = scene(tmp_path, postgres).load(ANNOUNCED, row(2), row(3, firstName="changed"), row(4), row(4, tags=[]))
    assert told.finished.rows_written == 2
    assert postgres.execute(
        "SELECT id, firstname, tags, nested_old, eventn_ctx_event_id, src, _source_id,"
        " _timestamp > now() AT TIME ZONE 'UTC' - interval '1 hour' FROM loaded.source_my_stream_x ORDER BY id"
    ) == [
        (1, "name 1", '["a",1]', "gone", event_id(1), "source", "source", False),
        (2, "name 2", '["a",2]', "gone", event_id(2), "source", "source", False),
        (3, "changed", '["a",3]', "gone", event_id(3), "source", "source", True),
        (4, "name 4", "[]", None, event_id(4), "source", "source", True),
    ]
    now_columns, now_indexes = shape(postgres)
    own = [("_syncline_task_id", "text", False), ("_syncline_synced_at", "timestamp with time zone", False)]
    assert now_columns == columns + own, "no column for what is always NULL"
    assert now_indexes == indexes


def test_rows_that_come_again_unchanged_stay_as_they_are(postgres: Postgres, tmp_path: Path) -> None:
    left_by_classic(postgres, rows=0)
    loading = scene(tmp_path, postgres)
    assert loading.load(ANNOUNCED, row(1), row(2)).finished.rows_written == 2
    assert loading.load(ANNOUNCED, row(1), row(2, day="2024-01-03")).finished.rows_written == 1
    assert postgres.execute("SELECT count(*) FROM loaded.source_my_stream_x") == [(2,)]


def test_what_only_some_batches_have_is_kept_together(postgres: Postgres, tmp_path: Path) -> None:
    left_by_classic(postgres)
    bare = {"stream": STREAM}
    first, second = record(Id=1, firstName=None) | bare, record(Id=2, nested={"new": "x"}) | bare
    # A stream that is announced again begins another batch.
    assert scene(tmp_path, postgres).load(ANNOUNCED, first, ANNOUNCED, second).finished.rows_written == 2
    assert postgres.execute("SELECT id, firstname, nested_new FROM loaded.source_my_stream_x ORDER BY id") == [
        (1, None, None),
        (2, "name 2", "x"),
        (3, "name 3", None),
    ]


def test_a_row_that_comes_again_unchanged_is_no_new_version(postgres: Postgres, tmp_path: Path) -> None:
    loading = scene(tmp_path, postgres)
    loading.collection["write_mode"] = "history"
    assert loading.load(ANNOUNCED, row(1), row(2)).finished.rows_written == 2
    assert loading.load(ANNOUNCED, row(1), row(2, day="2024-01-03")).finished.rows_written == 1
    assert postgres.execute("SELECT id, count(*) FROM loaded.source_my_stream_x GROUP BY id ORDER BY id") == [
        (1, 1),
        (2, 2),
    ]


def test_a_new_table_is_as_classic_makes_it(postgres: Postgres, tmp_path: Path) -> None:
    assert scene(tmp_path, postgres).load(ANNOUNCED, row(1)).finished.rows_written == 1
    made = {name: (type_, required) for name, type_, required in shape(postgres)[0] if not name.startswith("_syncl")}
    assert made == {
        "_source_id": ("text", False),
        "_timestamp": ("timestamp without time zone", False),
        "day": ("text", False),
        "eventn_ctx_event_id": ("text", True),
        "firstname": ("text", False),
        "id": ("bigint", False),
        "nested_b": ("bigint", False),
        "order_total": ("double precision", False),
        "src": ("text", False),
        "tags": ("text", False),
        "when": ("timestamp without time zone", False),
    }


def test_a_full_refresh_replaces_what_classic_has_written(postgres: Postgres, tmp_path: Path) -> None:
    left_by_classic(postgres)
    told = scene(tmp_path, postgres, full_refresh=True).load(ANNOUNCED, row(2), row(5), row(5, day="2024-01-04"))
    assert told.finished.rows_written
    assert postgres.execute("SELECT id, day FROM loaded.source_my_stream_x ORDER BY id") == [
        (2, "2024-01-02"),
        (5, "2024-01-04"),
    ]


def test_rows_without_a_key_are_recognised_by_all_that_they_have(postgres: Postgres, tmp_path: Path) -> None:
    loading = scene(tmp_path, postgres)
    keyless = ANNOUNCED | {"key_properties": []}
    assert loading.load(keyless, row(1), row(2), row(2)).finished.rows_written == 2
    assert loading.load(keyless, row(2), row(2, day="2024-01-03")).finished.rows_written == 1
    assert postgres.execute("SELECT id, day FROM loaded.source_my_stream_x ORDER BY 1, 2") == [
        (1, "2024-01-02"),
        (2, "2024-01-02"),
        (2, "2024-01-03"),
    ]


@pytest.mark.parametrize(
    ("catalog", "collection", "left"),
    [
        ({}, {}, [1, 2, 3, 4]),
        ({"replication_method": "FULL_TABLE"}, {}, [4]),
        ({}, {"sync_mode": "full_refresh"}, [4]),
        ({}, {"write_mode": "replace"}, [4]),
    ],
)
def test_rows_of_classic_are_replaced_only_if_somebody_wants_all_rows_each_time(
    postgres: Postgres, tmp_path: Path, catalog: dict[str, Any], collection: dict[str, Any], left: list[int]
) -> None:
    left_by_classic(postgres)
    loading = scene(tmp_path, postgres)
    loading.catalog = {"streams": [CATALOG["streams"][0] | catalog]}
    loading.collection = {"name": "all", "type": "all", "table_name": "source_all"} | collection
    keyless = ANNOUNCED | {"key_properties": []}
    for _ in range(2):
        assert loading.load(keyless, row(4)).finished.records_read == 1
    assert postgres.execute("SELECT id FROM loaded.source_my_stream_x ORDER BY 1") == [(number,) for number in left]


def test_classics_own_key_may_have_other_columns(postgres: Postgres, tmp_path: Path) -> None:
    left_by_classic(postgres, key="")
    postgres.execute("ALTER TABLE loaded.source_my_stream_x ALTER COLUMN id SET NOT NULL")
    postgres.execute(f'{KEY} ("id")')
    loading = scene(tmp_path, postgres, primary_key_fields=["id"])
    assert loading.load(ANNOUNCED, row(3, day="2024-01-03"), row(4)).finished.rows_written == 2
    assert postgres.execute("SELECT count(*) FROM loaded.source_my_stream_x") == [(4,)]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_key_may_come_with_values_alone(postgres: Postgres, tmp_path: Path, *, is_there: bool) -> None:
    if is_there:
        left_by_classic(postgres, key="", rows=0)
        postgres.execute("ALTER TABLE loaded.source_my_stream_x ADD user_id bigint")
        postgres.execute(f'{KEY} ("user_id")')
    loading = scene(tmp_path, postgres, primary_key_fields=["user_id"])
    first, second = row(1, user={"Id": 7}), row(2, user={"Id": 8})
    assert loading.load(ANNOUNCED, first, second).finished.rows_written == 2
    assert loading.load(ANNOUNCED, second, row(3, user={"Id": 7})).finished.rows_written == 1
    kept = postgres.execute("SELECT user_id, id FROM loaded.source_my_stream_x ORDER BY 1")
    assert kept == ([(7, 3), (8, 2)] if is_there else [("7", 3), ("8", 2)])


def test_without_that_naming_nothing_of_the_table_changes_and_a_sentence_says_what_to_do(
    postgres: Postgres, tmp_path: Path
) -> None:
    left_by_classic(postgres)
    before = shape(postgres)
    failed = scene(tmp_path, postgres, naming="snake_case").load(ANNOUNCED, row(1), row(4)).failed
    assert not failed.retryable
    # The table has the same name in snake case.
    assert failed.error == (
        "destination 'warehouse': table 'source_my_stream_x' is one of Jitsu Classic: its key 'eventn_ctx_event_id' "
        "(loaded_source_my_stream_x_pk) would have no value in new rows. Set 'naming: classic' at this destination, "
        "which fills it as Classic does, or set another 'table_name'"
    )
    assert shape(postgres) == before
    assert postgres.execute("SELECT count(*) FROM loaded.source_my_stream_x") == [(3,)]


@pytest.mark.parametrize("at", ["child.staged", "destination.committing", "destination.bookmarked", "child.committed"])
def test_a_killed_attempt_and_the_next_one_load_each_row_once(postgres: Postgres, tmp_path: Path, at: str) -> None:
    left_by_classic(postgres)
    loading = scene(tmp_path, postgres)
    lines = [json.dumps(line) for line in (ANNOUNCED, row(3), row(4))]
    attempt = loading.start(armed=f"{at}=kill", lines=lines)
    list(attempt.messages())
    attempt.close()
    assert loading.run(again=1, lines=lines).finished
    assert postgres.execute("SELECT id, count(*) FROM loaded.source_my_stream_x GROUP BY id ORDER BY id") == [
        (number, 1) for number in range(1, 5)
    ]


def test_columns_are_previewed_as_they_will_be(postgres: Postgres, tmp_path: Path) -> None:
    left_by_classic(postgres)
    table = Table(
        "source_My-Stream.X",
        {"Id": Kind.INTEGER, "Order Total": Kind.DECIMAL, "at": Kind.TIMESTAMP, "tags": Kind.JSON},
        key=("Id",),
    )
    options = postgres.options() | {"naming": "classic"}
    (planned,) = plan_tables("warehouse", options, [table], work_dir=tmp_path, log=unheard)
    assert planned.columns == {
        "Id": ("id", "bigint"),
        "Order Total": ("order_total", "double precision"),
        "at": ("at", "timestamp without time zone"),
        "tags": ("tags", "text"),
    }
