"""A bookmark beside a table that is not the one it stands for: reloading everything, and a line says why."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb as engine
import psycopg
import pytest

from tests.connectors.attempts import Duckdb, Postgres, Scene, Told, Trial, record, schema, state
from tests.connectors.destinations.parquet.lake import Lake

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse


@dataclass(frozen=True)
class There:
    """A destination of any kind: its tables, which may be dropped behind Syncline's back."""

    kind: str
    directory: Path
    warehouse: Warehouse

    @property
    def options(self) -> dict[str, Any]:
        if self.kind == "parquet":
            return {"type": "parquet", "path": str(self.directory / "there")}
        if self.kind == "dlt:filesystem":
            return {"type": self.kind, "dataset": "loaded", "bucket_url": str(self.directory / "there")}
        given = self.warehouse.options()
        if self.kind == "dlt:duckdb":
            return {"type": self.kind, "dataset": given["schema"], "credentials": given["path"]}
        return given

    def ids(self, table: str) -> list[int]:
        if self.kind == "parquet":
            return [row[0] for row in Lake(self.directory / "there").select("id", table=table)]
        if self.kind == "dlt:filesystem":
            files = str(self.directory / "there" / "loaded" / table / "*.parquet")
            with engine.connect() as connection:
                return [row[0] for row in connection.execute(f"SELECT id FROM '{files}' ORDER BY id").fetchall()]
        return [row[0] for row in self.warehouse.execute(f'SELECT id FROM loaded."{table}" ORDER BY id')]

    def drop(self, table: str) -> None:
        if self.kind == "parquet":
            shutil.rmtree(self.directory / "there" / table)
        elif self.kind == "dlt:filesystem":
            shutil.rmtree(self.directory / "there" / "loaded" / table)
        else:
            self.warehouse.execute(f'DROP TABLE loaded."{table}"')


# dlt's files take no rows that come again, as every incremental reading of `sql` has some.
@pytest.fixture(params=["postgres", "duckdb", "parquet", "dlt:duckdb"])
def there(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> There:
    warehouse = postgres if request.param == "postgres" else Duckdb(tmp_path / "there.duckdb")
    return There(request.param, tmp_path, warehouse)


@dataclass
class Shop:
    """A source with two tables, one of which is copied into a destination."""

    trial: Trial
    database: Path

    @classmethod
    def of(cls, directory: Path, there: There) -> Shop:
        shop = cls(Trial(directory, {"there": there.options}, "sql"), directory / "shop.db")
        shop.trial.source_config = {"url": f"sqlite:///{shop.database}"}
        keyed = {} if there.kind == "parquet" else {"primary_key": ["id"]}
        shop.trial.collection = {"type": "orders", "sync_mode": "incremental", "cursor_field": "at", **keyed}
        with sqlite3.connect(shop.database) as connection:
            for table, first in (("orders", 0), ("older", 100)):
                connection.execute(f"CREATE TABLE {table} (id INTEGER, at INTEGER)")
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", [(first + n, n) for n in range(10)])
        return shop

    def load(self, **changes: Any) -> Told:
        self.trial.collection = self.trial.collection | changes
        return self.trial.run()


@pytest.fixture
def shop(tmp_path: Path, there: There) -> Shop:
    return Shop.of(tmp_path, there)


def reasons(told: Told) -> list[str]:
    return [line for line in told.lines if ": reloading everything" in line]


def test_a_table_that_was_dropped_is_loaded_again(shop: Shop, there: There) -> None:
    assert shop.load().finished.rows_written == 10
    there.drop("made")
    told = shop.load()
    assert there.ids("made") == list(range(10))
    (reason,) = reasons(told)
    assert reason.startswith("destination 'there': its bookmark covers rows in 'made', but that table is missing")
    again = shop.load()
    assert again.finished.records_read <= 1, "and from now on only what is new"
    assert not reasons(again)


def test_another_table_name_gets_all_rows(shop: Shop, there: There) -> None:
    shop.load()
    told = shop.load(table_name="orders_new")
    assert there.ids("orders_new") == list(range(10))
    assert there.ids("made") == list(range(10)), "what was loaded before stays"
    (reason,) = reasons(told)
    assert "its bookmark covers rows in 'made', but the table is now 'orders_new'" in reason
    assert shop.load().finished.records_read <= 1


def test_rows_are_not_doubled_on_the_way_back_to_a_table_name_of_before(shop: Shop, there: There) -> None:
    shop.load()
    shop.load(table_name="orders_new")
    back = shop.load(table_name="made")
    if there.kind == "parquet":  # which appends
        assert "table 'made' already has rows" in back.failed.error
        assert not back.failed.retryable
        shop.trial.generation = 1
        assert shop.load().finished.rows_written == 10
    assert there.ids("made") == list(range(10))


def test_another_table_of_the_source_is_loaded_as_a_whole(shop: Shop, there: There) -> None:
    shop.load()
    told = shop.load(type="older")
    (reason,) = reasons(told)
    assert "its bookmark covers rows of 'orders', but the source now reads 'older'" in reason
    if there.kind == "parquet":  # which appends
        assert "table 'made' already has rows" in told.failed.error
        assert not reasons(shop.load(type="orders")), "what is undone has changed nothing"
        return
    assert there.ids("made") == [*range(10), *range(100, 110)], "what is there stays"
    assert shop.load().finished.records_read <= 1


def test_another_name_of_the_same_table_costs_a_reading_and_no_row(tmp_path: Path, postgres: Postgres) -> None:
    there = There("postgres", tmp_path, postgres)
    shop = Shop.of(tmp_path, there)
    shop.load()
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DELETE FROM orders WHERE id < 8")
    assert reasons(shop.load(parameters={"table": "main.orders"}))
    assert there.ids("made") == list(range(10)), "rows that the source has dropped since are kept"


@pytest.mark.parametrize("there", ["postgres", "duckdb"], indirect=True)
def test_all_collections_with_rows_in_a_table_that_was_dropped_load_them_again(shop: Shop, there: There) -> None:
    other = Shop(replace(shop.trial, source="other", tasks=100), shop.database)
    shop.load()
    other.load(type="older")
    assert len(there.ids("made")) == 20
    there.drop("made")
    assert reasons(shop.load())
    assert reasons(other.load())
    assert there.ids("made") == [*range(10), *range(100, 110)]
    assert not reasons(shop.load())
    assert not reasons(other.load())


@pytest.mark.parametrize("there", ["postgres", "duckdb"], indirect=True)
def test_an_attempt_whose_table_another_collection_makes_anew_commits_nothing(tmp_path: Path, there: There) -> None:
    scene = Scene(tmp_path, {"there": there.options})
    scene.run()
    running = scene.start(rows=30, stop_at=25)
    running.stands_still()
    there.drop("made")
    (tmp_path / "other").mkdir()
    assert Scene(tmp_path / "other", {"there": there.options}, source="other", tasks=100).run().finished
    scene.fifo.open("w").close()
    assert Told.by(running).failed.retryable
    assert reasons(scene.run(again=1, rows=30))
    assert there.ids("made") == list(range(30))


@pytest.mark.parametrize("there", ["dlt:filesystem"], indirect=True)
def test_files_of_dlt_that_were_removed_are_loaded_again(tmp_path: Path, there: There) -> None:
    scene = Scene(tmp_path, {"there": there.options}, collection={"sync_mode": "incremental"})
    scene.load(schema(id="integer"), record(id=1), state(1))
    there.drop("made")
    told = scene.load(schema(id="integer"), record(id=1), record(id=2), state(2))
    assert there.ids("made") == [1, 2]
    assert reasons(told)
    assert not reasons(scene.load(schema(id="integer"), record(id=3), state(3)))
    assert there.ids("made") == [1, 2, 3]


def test_an_attempt_that_is_killed_while_it_loads_again_leaves_that_to_the_next(shop: Shop, there: There) -> None:
    shop.load()
    there.drop("made")
    shop.trial.die("child.staged")
    assert reasons(shop.trial.run(again=1))
    assert there.ids("made") == list(range(10))


def test_a_bookmark_of_an_older_release_counts_beside_its_table_and_not_without_it(
    tmp_path: Path, postgres: Postgres
) -> None:
    there = There("postgres", tmp_path, postgres)
    shop = Shop.of(tmp_path, there)
    shop.load()
    forget = "UPDATE loaded._syncline_bookmarks SET standing = NULL"
    postgres.execute(forget)
    told = shop.load()
    assert told.finished.records_read == 1
    assert not reasons(told)
    postgres.execute(forget)
    assert reasons(shop.load(table_name="orders_new"))
    assert there.ids("orders_new") == list(range(10))


def test_a_table_that_has_had_no_rows_yet_is_not_missed(tmp_path: Path, postgres: Postgres) -> None:
    there = There("postgres", tmp_path, postgres)
    shop = Shop.of(tmp_path, there)
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DELETE FROM orders")
    shop.load()
    assert not reasons(shop.load())


@pytest.mark.parametrize("there", ["postgres", "duckdb"], indirect=True)
def test_the_tables_of_a_whole_source_are_loaded_again_when_one_is_dropped_or_all_are_renamed(
    tmp_path: Path, there: There
) -> None:
    scene = Scene(tmp_path, {"there": there.options})
    scene.collection |= {"name": "all", "type": "all", "table_name": "shop_all"}
    catalog: list[dict[str, Any]] = [{"tap_stream_id": name, "stream": name, "schema": {}} for name in ("a", "b")]
    lines = [
        *({**schema(["id"], id="integer", at="integer"), "stream": name} for name in ("a", "b")),
        *({**record(id=1, at=1), "stream": name} for name in ("a", "b")),
        state({"seen": 1}),
    ]
    scene.catalog = {"streams": catalog}
    assert scene.load(*lines).finished.rows_written == 2
    there.drop("shop_a")
    assert reasons(scene.load(*lines))
    assert (there.ids("shop_a"), there.ids("shop_b")) == ([1], [1])
    assert not reasons(scene.load(*lines))
    told = scene.load(*lines, options={"stream_table_name_prefix": "new_"})
    assert reasons(told)
    assert (there.ids("new_a"), there.ids("new_b")) == ([1], [1])


@pytest.mark.parametrize("there", ["postgres", "duckdb"], indirect=True)
def test_what_would_be_appended_twice_is_refused_until_a_reset_replaces_it(tmp_path: Path, there: There) -> None:
    scene = Scene(tmp_path, {"there": there.options})
    scene.collection |= {"name": "all", "type": "all", "table_name": "shop_all"}
    catalog: list[dict[str, Any]] = [{"tap_stream_id": name, "stream": name, "schema": {}} for name in ("a", "b")]
    scene.catalog = {"streams": catalog}
    lines = [
        *({**schema(id="integer", at="integer"), "stream": name} for name in ("a", "b")),
        *({**record(id=1, at=1), "stream": name} for name in ("a", "b")),
        state({"seen": 1}),
    ]
    scene.load(*lines)
    there.drop("shop_a")
    for _ in range(2):
        assert "table 'shop_b' already has rows" in scene.load(*lines).failed.error
    scene.generation = 7
    assert scene.load(*lines).finished
    assert (there.ids("shop_a"), there.ids("shop_b")) == ([1], [1])


def test_a_backfill_waits_for_the_task_that_loads_everything_again(tmp_path: Path, postgres: Postgres) -> None:
    there = There("postgres", tmp_path, postgres)
    shop = Shop.of(tmp_path, there)
    shop.load()
    there.drop("made")
    failed = Told.by(shop.trial.start(backfill=("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"))).failed
    assert (
        "but that table is missing or empty. The next task reloads everything; run the backfill after it"
        in failed.error
    )
    with pytest.raises(psycopg.errors.UndefinedTable):
        there.ids("made")
