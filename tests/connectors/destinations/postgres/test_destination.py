"""What arrives in PostgreSQL: every kind of value, under any name, without a gap that readers could see."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from app.connectors.contract.passes import Fence
from app.connectors.contract.schema import Kind, Table
from app.connectors.contract.standing import Standing
from app.connectors.destinations.postgres.destination import PostgresDestination
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from tests.connectors.attempts import Postgres, Scene, record, schema, state, unheard


def test_every_kind_of_value_arrives_as_it_was_sent(postgres: Postgres, tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    moment = {"type": "string", "format": "date-time"}
    values = (
        '{"type":"RECORD","stream":"made","record":{"id":1,"n":0.10000000000000000000000000001,'
        '"big":123456789012345678901234567890,"at":"2024-02-29T12:00:00.123456+02:00","text":"tab\\t\\\\N \\"q\\" é🙂",'
        '"any":{"n":1.10},"mixed":"1","day":"2024-02-29"}}'
    )
    announced = schema(
        ["id"],
        id="integer",
        n="number",
        big={"type": "integer", "maximum": 10**40},
        at=moment,
        text="string",
        any="object",
        mixed={"type": ["integer", "string"]},
        day={"type": "string", "format": "date"},
    )
    assert scene.load(announced, values).finished.rows_written == 1
    row = postgres.execute('SELECT n::text, big, at, text, "any"::text, mixed::text, day::text FROM loaded.made')[0]
    assert row == (
        "0.10000000000000000000000000001",
        123456789012345678901234567890,
        datetime(2024, 2, 29, 10, 0, 0, 123456, UTC),
        'tab\t\\N "q" é🙂',
        '{"n": 1.10}',
        '"1"',
        "2024-02-29",
    )


def test_a_nul_is_refused_where_it_cannot_be_stored(postgres: Postgres, tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    announced = schema(id="integer", text="string", any="object")
    assert "U+0000" in scene.load(announced, record(text="a\0b")).failed.error
    assert "U+0000" in scene.load(announced, record(any={"a": "\0"})).failed.error


def test_readers_never_see_a_table_between_old_and_new(postgres: Postgres, tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    scene.run(rows=5000)
    done, seen = threading.Event(), set[int]()

    def read() -> None:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            while not done.is_set():
                row = connection.execute("SELECT count(*) FROM loaded.made").fetchone()
                assert row
                seen.add(row[0])

    reader = threading.Thread(target=read)
    reader.start()
    with psycopg.connect(postgres.url) as earlier:
        earlier.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        earlier.execute("SELECT 1")
        scene.run(rows=7000)
        assert earlier.execute("SELECT count(*) FROM loaded.made").fetchone() == (5000,)
    done.set()
    reader.join()
    assert seen <= {5000, 7000}
    assert 5000 in seen


@pytest.mark.parametrize("turn", range(5))
def test_first_loads_into_one_new_schema_can_happen_at_once(postgres: Postgres, turn: int) -> None:
    options = PostgresDestinationOptions.model_validate(postgres.options(f"new_{turn}"))
    start = threading.Barrier(4, timeout=60)

    def load(number: int) -> int:
        fence = Fence(
            "0192f7c2-0000-7000-8000-000000000001", "t", 1, 1, "source", f"collection {number}", 0, Standing("t", "t")
        )
        destination = PostgresDestination(options, fence, name="warehouse", work_dir=Path(), log=unheard)
        start.wait()
        destination.open()
        start.wait()
        destination.begin(Table("shared", {"id": Kind.INTEGER, f"own_{number}": Kind.TEXT}))
        destination.write("shared", [{"id": number}])
        rows = destination.commit(None, final=True)
        destination.close()
        return rows

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(load, range(4))) == [1, 1, 1, 1]
    assert postgres.execute(f"SELECT count(*) FROM new_{turn}.shared") == [(4,)]


def test_columns_keep_their_case_and_cannot_become_one(postgres: Postgres, tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    scene.load(schema(Id="integer", id="integer"), record(Id=1, id=2))
    assert postgres.execute('SELECT "Id", id FROM loaded.made') == [(1, 2)]
    long = "x" * 63
    failed = scene.load(schema(**{f"{long}1": "integer", f"{long}2": "integer"})).failed
    assert "would both become the column" in failed.error
    assert not failed.retryable


@pytest.mark.parametrize("key", [["growth %"], []], ids=["keyed", "keyless"])
def test_names_of_columns_tables_and_schemas_may_look_like_parameters(
    tmp_path: Path, postgres: Postgres, key: list[str]
) -> None:
    names = ["growth %", "x%d", "a %s b", "y%%", "$1", "z%(a)s"]
    scene = Scene(tmp_path, {"warehouse": postgres.options("%s of $1 %")})
    scene.collection |= {"table_name": "100 %", "cursor_field": "y%%"}
    announced = schema(key, **dict.fromkeys(names, "integer"))
    for number in (1, 2):
        rows = [record(**dict.fromkeys(names, each)) for each in range(number + 1)]
        assert scene.load(announced, *rows, state(number)).finished.rows_written == (2, 1)[number - 1]
    columns = ", ".join(f'"{name}"' for name in names)
    loaded = postgres.execute(f'SELECT {columns} FROM "%s of $1 %"."100 %" ORDER BY 1')
    assert loaded == [(each,) * len(names) for each in range(3)]
