"""What a failed, killed or changed load leaves behind, and the way from there to the right table."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.connectors.contract.schema import Kind, Table
from app.connectors.destinations.postgres import destination
from app.connectors.destinations.postgres.destination import PostgresDestination
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.domain.attempt_protocol import OwnTable
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import WriteMode
from tests.connectors.attempts import Attempt, Duckdb, Told, unheard
from tests.connectors.fences import fence_of
from tests.connectors.sources.sql.origins import Copying, SqliteOrigin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Postgres, Warehouse


@pytest.fixture
def origin(tmp_path: Path) -> SqliteOrigin:
    return SqliteOrigin(tmp_path / "shop.db")


@pytest.fixture
def copying(origin: SqliteOrigin, warehouse: Warehouse, tmp_path: Path) -> Copying:
    return Copying(origin.url, tmp_path, {"warehouse": warehouse.options()})


def make(origin: SqliteOrigin, *rows: str, columns: str = "id INTEGER, region TEXT, price") -> None:
    origin.execute("DROP TABLE IF EXISTS made")
    origin.execute(f"CREATE TABLE made ({columns})")
    if rows:
        origin.execute(f"INSERT INTO made VALUES {', '.join(rows)}")


def load(copying: Copying, **collection: Any) -> Told:
    copying.collection |= collection
    return copying.run()


def tables(warehouse: Warehouse) -> list[str]:
    found = warehouse.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'loaded'")
    return sorted(name for (name,) in found if name != "_syncline_bookmarks")


def columns(warehouse: Warehouse) -> dict[str, str]:
    found = warehouse.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'loaded' AND table_name = 'made' ORDER BY ordinal_position"
    )
    return {name: type_ for name, type_ in found if not name.startswith("_")}


def rows(warehouse: Warehouse, names: str = "id, region, price") -> list[tuple[Any, ...]]:
    return warehouse.execute(f"SELECT {names} FROM loaded.made ORDER BY {names}")


def reasons(told: Told) -> list[str]:
    return [line for line in told.lines if ": reloading everything" in line]


WHOLE = [f"({number}, 'x', {number})" for number in range(120)]


def test_a_first_load_that_fails_leaves_no_table_and_the_next_takes_the_type_that_is_needed(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, *WHOLE, "(120, 'x', 30.25)", columns="id INTEGER, region TEXT, price INTEGER")
    assert "cannot hold 30.25" in load(copying).failed.error
    assert tables(warehouse) == []
    make(origin, *WHOLE, "(120, 'x', 30.25)", columns="id INTEGER, region TEXT, price REAL")
    assert load(copying).finished.rows_written == 121
    assert warehouse.execute("SELECT sum(price) FROM loaded.made") == [(7170.25,)]


def test_dlt_takes_the_type_that_is_needed_after_a_first_load_that_failed(origin: SqliteOrigin, tmp_path: Path) -> None:
    there = Duckdb(tmp_path / "there.duckdb")
    options = {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(there.path)}
    copying = Copying(origin.url, tmp_path, {"warehouse": options})
    make(origin, *WHOLE, "(120, 'x', 30.25)")
    assert "cannot hold 30.25" in load(copying).failed.error
    assert "made" not in tables(there)
    make(origin, *WHOLE)
    copying.die("child.staged")
    assert "made" in tables(there)
    make(origin, "(1, 'x', 30.25)", *WHOLE)
    assert load(copying).finished.rows_written == 121


def test_a_load_that_fails_adds_no_column(copying: Copying, origin: SqliteOrigin, warehouse: Warehouse) -> None:
    make(origin, "(1, 'x', 1)")
    load(copying)
    make(origin, "(1, 'x', 1, 'new')", "(2, 'x', 'dear', 'new')", columns="id INTEGER, region TEXT, price, more TEXT")
    assert "cannot hold" in load(copying).failed.error
    assert "more" not in columns(warehouse)
    make(origin, "(2, 'x', 2, 'new')", columns="id INTEGER, region TEXT, price, more TEXT")
    load(copying)
    assert rows(warehouse, "id, more") == [(2, "new")]


def test_a_new_column_gets_the_type_that_its_first_values_need_although_its_table_exists(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, "(1, 'x')", columns="id INTEGER, region TEXT")
    load(copying)
    make(origin, *WHOLE, "(120, 'x', 30.25)")
    assert load(copying).finished.rows_written == 121
    assert warehouse.execute("SELECT sum(price) FROM loaded.made") == [(7170.25,)]


def test_an_error_names_no_statement_for_a_column_that_is_not_there(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    declared = "id INTEGER, region TEXT, price INTEGER"
    make(origin, *WHOLE, "(120, 'x', 30.25)", columns=declared)
    assert "Set 'schema_policy: widen', or correct the value or its type" in load(copying).failed.error
    make(origin, "(1, 'x')", columns="id INTEGER, region TEXT")
    load(copying)
    make(origin, *WHOLE, "(120, 'x', 30.25)", columns=declared)
    assert "Set 'schema_policy: widen', or correct the value or its type" in load(copying).failed.error
    assert load(copying, schema_policy="widen").finished
    assert warehouse.execute("SELECT sum(price) FROM loaded.made") == [(7170.25,)]


@pytest.mark.parametrize("point", ["child.staged", "destination.committing", "destination.bookmarked"])
def test_what_a_killed_first_load_leaves_is_made_anew_with_the_types_of_the_next(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse, point: str
) -> None:
    make(origin, "(1, 'x', 1)")
    copying.die(point)
    make(origin, "(1, 'x', 'dear')")
    assert load(copying).finished.rows_written == 1
    assert rows(warehouse) == [(1, "x", "dear")]


def test_an_empty_table_that_a_load_has_completed_keeps_its_types(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, columns="id INTEGER, region TEXT, price INTEGER")
    load(copying)
    make(origin, "(1, 'x', 'dear')", columns="id INTEGER, region TEXT, price TEXT")
    assert "cannot hold" in load(copying).failed.error
    assert columns(warehouse)["price"] in ("bigint", "BIGINT")


def test_an_unfinished_table_that_a_view_reads_is_kept(
    copying: Copying, origin: SqliteOrigin, postgres: Postgres, tmp_path: Path
) -> None:
    copying = Copying(origin.url, tmp_path, {"warehouse": postgres.options()})
    make(origin, "(1, 'x', 1)")
    copying.die("destination.committing")
    assert tables(postgres) == ["made"]
    postgres.execute("CREATE VIEW loaded.seen AS SELECT price FROM loaded.made")
    make(origin, "(1, 'x', 2)")
    assert load(copying).finished.rows_written == 1
    assert postgres.execute("SELECT price FROM loaded.seen") == [(2,)]


def test_a_table_that_was_emptied_is_loaded_again(copying: Copying, origin: SqliteOrigin, warehouse: Warehouse) -> None:
    make(origin, "(1, 'x', 1)", "(2, 'x', 2)", columns="id INTEGER, region TEXT, price INTEGER")
    load(copying, sync_mode="incremental", cursor_field="id")
    warehouse.execute("DELETE FROM loaded.made")
    told = load(copying)
    assert rows(warehouse) == [(1, "x", 1), (2, "x", 2)]
    (reason,) = reasons(told)
    assert "its bookmark covers rows in 'made', but that table is missing or empty" in reason
    assert not reasons(load(copying))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            {"primary_key": ["id"]},
            {"primary_key": ["id", "region"]},
            "rows with the key 'id', but now there is the key",
        ),
        (
            {"parameters": {"query": "SELECT * FROM made WHERE price > 1"}},
            {"parameters": {"query": "SELECT * FROM made"}},
            "its bookmark covers rows of another query",
        ),
    ],
    ids=["key", "query"],
)
def test_a_bookmark_of_another_key_or_query_reloads_everything(
    copying: Copying,
    origin: SqliteOrigin,
    warehouse: Warehouse,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
    reason: str,
) -> None:
    shape = "id INTEGER, region TEXT, price INTEGER"
    make(origin, "(1, 'eu', 1)", "(1, 'us', 2)", "(2, 'eu', 3)", columns=shape)
    usual = {"sync_mode": "incremental", "cursor_field": "price", "primary_key": ["id", "region"]}
    load(copying, **usual | before)
    told = load(copying, **usual | after)
    assert any(reason in line for line in reasons(told))
    assert rows(warehouse) == [(1, "eu", 1), (1, "us", 2), (2, "eu", 3)]
    assert not reasons(load(copying, **usual | after))


@pytest.mark.parametrize(
    "changed",
    [
        {"parameters": {"query": "SELECT * FROM made"}},
        {"primary_key": ["id", "region"]},
        {"table_name": "other"},
    ],
    ids=["query", "key", "table"],
)
def test_a_reload_that_writes_no_row_still_stands_for_its_table(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse, changed: dict[str, Any]
) -> None:
    make(origin, "(1, 'x', 1)", "(2, 'x', 2)", columns="id INTEGER, region TEXT, price INTEGER")
    load(copying, sync_mode="incremental", cursor_field="id", primary_key=["id"], table_name="made")
    assert reasons(load(copying, **changed))
    if "table_name" in changed:
        assert reasons(load(copying, table_name="made"))
    warehouse.execute("DELETE FROM loaded.made")
    assert reasons(load(copying))
    assert len(rows(warehouse)) == 2


@pytest.fixture
def two(copying: Copying, origin: SqliteOrigin) -> Copying:
    """A collection of two tables with keys of their own; the cursor is in both."""
    make(origin, "(1, 'x', 1)", "(2, 'y', 2)", columns="id INTEGER PRIMARY KEY, region TEXT, price INTEGER")
    origin.execute("CREATE TABLE other (region TEXT PRIMARY KEY, id INTEGER)")
    origin.execute("INSERT INTO other VALUES ('x', 1)")
    copying.collection = {"type": "all", "table_name": "t", "sync_mode": "incremental", "cursor_field": "id"}
    return copying


def counts(warehouse: Warehouse) -> list[int]:
    return [warehouse.execute(f"SELECT count(*) FROM loaded.t_{name}")[0][0] for name in ("made", "other")]


@pytest.mark.parametrize("statement", ["DELETE FROM loaded.t_made", "DROP TABLE loaded.t_made"])
def test_a_reload_for_one_table_doubles_no_rows_of_another_whose_key_is_hashed_now(
    two: Copying, warehouse: Warehouse, statement: str
) -> None:
    load(two)
    warehouse.execute(statement)
    hashed = {"columns": {"hash": ["region"]}}
    for _ in range(2):
        told = load(two, **hashed)
        assert "names or hashes 'region' in another way than before" in told.failed.error
        assert "run 'syncline sources reset'" in told.failed.error
        assert counts(warehouse) == [2, 1], "the table without rows takes them, by the new rules"
    two.generation += 1
    assert load(two).finished
    assert counts(warehouse) == [2, 1]


def test_a_table_that_is_refused_for_its_columns_stays_refused_when_another_is_loaded(
    two: Copying, warehouse: Warehouse
) -> None:
    load(two)
    for _ in range(2):
        assert "would not be recognised" in load(two, columns={"hash": ["region"]}).failed.error
        assert counts(warehouse) == [2, 1]
    assert load(two, columns=None).finished
    assert counts(warehouse) == [2, 1]


@pytest.mark.parametrize(
    ("statement", "changed"),
    [("DROP TABLE loaded.made", {}), ("DELETE FROM loaded.made", {}), ("SELECT 1", {"table_name": "moved"})],
    ids=["dropped", "emptied", "moved"],
)
@pytest.mark.parametrize("columns", [{"rename": {"region": "code"}}, {"hash": ["region"]}], ids=["renamed", "hashed"])
@pytest.mark.parametrize("cursor", [None, "id"])
def test_a_key_may_be_named_or_hashed_in_another_way_where_no_row_has_the_old_one(
    copying: Copying,
    origin: SqliteOrigin,
    warehouse: Warehouse,
    *,
    statement: str,
    changed: dict[str, Any],
    columns: dict[str, Any],
    cursor: str | None,
) -> None:
    make(origin, "(1, 'x', 1)", "(2, 'y', 2)", columns="id INTEGER, region TEXT, price INTEGER")
    sync_mode = "full_refresh" if cursor is None else "incremental"
    load(copying, primary_key=["region"], write_mode="upsert", sync_mode=sync_mode, cursor_field=cursor)
    warehouse.execute(statement)
    assert load(copying, columns=columns, **changed).finished.rows_written == 2
    table = changed.get("table_name", "made")
    assert warehouse.execute(f"SELECT price FROM loaded.{table} ORDER BY 1") == [(1,), (2,)]


def drop(copying: Copying) -> list[str]:
    """What 'sources reset --drop' does; returns the tables that it has listed."""
    listed = Told.by(Attempt(copying.drop_job()))
    own = [each.table for each in listed.messages if isinstance(each, OwnTable)]
    assert Told.by(Attempt(copying.drop_job(warehouse=own))).finished
    copying.generation += 1
    return own


def test_a_table_that_was_loaded_under_an_earlier_name_is_dropped_when_it_has_that_name_again(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, "(1, 'x', 1)", columns="id INTEGER, region TEXT, price INTEGER")
    load(copying, table_name="made")
    load(copying, table_name="moved")
    make(origin, "(1, 'x', 'dear')", columns="id INTEGER, region TEXT, price TEXT")
    copying.collection |= {"table_name": "made"}
    copying.generation += 1
    assert "made" in drop(copying)
    assert load(copying).finished
    assert rows(warehouse) == [(1, "x", "dear")]


def test_tables_of_a_collection_are_dropped_although_they_have_no_rows(
    two: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    origin.execute("DELETE FROM other")
    load(two)
    assert drop(two) == ["t_made", "t_other"]
    assert tables(warehouse) == []


def test_a_table_whose_name_differs_in_case_by_another_naming_is_dropped_once(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, "(1, 'x', 1)")
    load(copying, table_name="Made")
    copying.destinations["warehouse"]["naming"] = "snake_case"
    assert len(drop(copying)) == 1
    assert tables(warehouse) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"write_mode": "history", "primary_key": ["id"]}, {"write_mode": "replace"}),
        ({}, {"schema_policy": "freeze"}),
        ({}, {"schema_policy": "discard", "write_mode": "upsert", "primary_key": ["code"]}),
    ],
    ids=["history", "frozen", "discarded key"],
)
def test_an_error_that_only_another_table_would_end_names_the_command_that_makes_it_anew(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse, before: dict[str, Any], after: dict[str, Any]
) -> None:
    make(origin, "(1, 'x', 1)")
    load(copying, **before)
    make(origin, "(1, 'x', 1, 7)", columns="id INTEGER, region TEXT, price, code INTEGER")
    assert "run 'syncline sources reset --drop'" in load(copying, **after).failed.error
    drop(copying)
    assert load(copying).finished
    assert rows(warehouse, "id, code") == [(1, 7)]


def test_rows_of_others_are_not_replaced_when_a_collection_without_a_bookmark_moves_to_their_table(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, columns="id INTEGER, region TEXT, price INTEGER")
    load(copying, sync_mode="incremental", cursor_field="id")
    warehouse.execute("CREATE TABLE loaded.others AS SELECT 7 AS id")
    make(origin, "(1, 'x', 1)", columns="id INTEGER, region TEXT, price INTEGER")
    told = load(copying, table_name="others")
    assert "table 'others' already has rows" in told.failed.error
    assert warehouse.execute("SELECT id FROM loaded.others") == [(7,)]


def test_a_query_that_differs_in_white_space_only_is_the_same(copying: Copying, origin: SqliteOrigin) -> None:
    make(origin, "(1, 'eu', 1)", columns="id INTEGER, region TEXT, price INTEGER")
    load(copying, sync_mode="incremental", cursor_field="id", parameters={"query": "SELECT * FROM made"})
    assert not reasons(load(copying, parameters={"query": "SELECT *\n  FROM made"}))


def test_a_reload_that_would_append_rows_twice_is_refused_with_the_command(
    copying: Copying, origin: SqliteOrigin, warehouse: Warehouse
) -> None:
    make(origin, "(1, 'eu', 1)", "(2, 'eu', 2)", columns="id INTEGER, region TEXT, price INTEGER")
    load(copying, sync_mode="incremental", cursor_field="id", parameters={"query": "SELECT * FROM made"})
    told = load(copying, parameters={"query": "SELECT * FROM made WHERE id > 0"})
    assert "run 'syncline sources reset'" in told.failed.error
    assert len(rows(warehouse)) == 2
    copying.generation += 1
    assert load(copying).finished.rows_written == 2
    assert len(rows(warehouse)) == 2


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_the_constraint_follows_the_key(origin: SqliteOrigin, postgres: Postgres, tmp_path: Path, mode: str) -> None:
    copying = Copying(origin.url, tmp_path, {"warehouse": postgres.options()})
    shape = "id INTEGER, region TEXT, price INTEGER"
    make(origin, "(1, 'eu', 1)", "(2, 'eu', 2)", columns=shape)
    load(copying, write_mode=mode, primary_key=["id"])
    make(origin, "(1, 'eu', 1)", "(1, 'us', 3)", "(2, 'eu', 2)", columns=shape)
    assert load(copying, primary_key=["id", "region"]).finished.rows_written
    assert rows(postgres) == [(1, "eu", 1), (1, "us", 3), (2, "eu", 2)]

    make(origin, "(1, 'us', 3)", "(2, 'eu', 2)", columns=shape)
    narrowed = load(copying, primary_key=["id"])
    if mode == "upsert":
        assert "table 'made' has several rows with the same values of 'id'" in narrowed.failed.error
        assert "run 'syncline sources reset'" in narrowed.failed.error
        copying.generation += 1
        load(copying)
    assert rows(postgres) == [(1, "us", 3), (2, "eu", 2)]
    assert load(copying).finished, "and the constraint is there again"

    make(origin, "('us', 3)", "('eu', 2)", columns="region TEXT, price INTEGER")
    assert load(copying, primary_key=["region"]).finished, "the column of the old key may be NULL now"
    assert rows(postgres, "region, price") == [("eu", 2), ("us", 3)]

    copying.collection.pop("primary_key")
    make(origin, "('us', 3)", "('us', 3)", columns="region TEXT, price INTEGER")
    assert load(copying, write_mode="replace").finished, "and without a key there is none"
    assert rows(postgres, "region, price") == [("us", 3), ("us", 3)]


def test_a_history_whose_key_becomes_ambiguous_is_refused_with_the_command(
    origin: SqliteOrigin, postgres: Postgres, tmp_path: Path
) -> None:
    copying = Copying(origin.url, tmp_path, {"warehouse": postgres.options()})
    make(origin, "(1, 'eu', 1)", "(1, 'us', 3)")
    load(copying, write_mode="history", primary_key=["id", "region"])
    assert "run 'syncline sources reset --drop'" in load(copying, primary_key=["id"]).failed.error
    assert rows(postgres) == [(1, "eu", 1), (1, "us", 3)]
    assert load(copying, primary_key=["id", "region"]).finished, "what is undone has changed nothing"


def test_a_constraint_of_somebody_else_stays(origin: SqliteOrigin, postgres: Postgres, tmp_path: Path) -> None:
    copying = Copying(origin.url, tmp_path, {"warehouse": postgres.options()})
    make(origin, "(1, 'eu', 1)")
    load(copying, write_mode="upsert", primary_key=["id"])
    postgres.execute("CREATE UNIQUE INDEX own ON loaded.made (price)")
    load(copying, primary_key=["id", "region"])
    assert postgres.execute("SELECT count(*) FROM pg_indexes WHERE indexname = 'own'") == [(1,)]


def writer(postgres: Postgres, directory: Path, *, user: str | None = None, claim: int = 1) -> PostgresDestination:
    options = PostgresDestinationOptions.model_validate(postgres.options())
    if user is not None:
        url = make_conninfo(postgres.url, user=user)
        options = PostgresDestinationOptions.model_validate(postgres.options() | {"url": url})
    fence = fence_of("0192f7c2-0000-7000-8000-000000000001", claim=claim)
    return PostgresDestination(options, fence, name="warehouse", work_dir=directory, log=unheard)


def test_a_reader_of_one_of_several_tables_is_waited_for_and_all_of_them_change(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "_TRY_MILLISECONDS", 50)
    monkeypatch.setattr(destination, "_PAUSE_SECONDS", 0.1)
    postgres.execute("CREATE SCHEMA loaded")
    for name in ("one", "two"):
        postgres.execute(f"CREATE TABLE loaded.{name} (id bigint)")
    writing = writer(postgres, tmp_path)
    writing.open()
    for name in ("one", "two", "new"):
        writing.begin(Table(name, {"id": Kind.INTEGER, "more": Kind.TEXT}))
        writing.write(name, [{"id": 1, "more": "x"}])
    reader = psycopg.connect(postgres.url)
    reader.execute("SELECT count(*) FROM loaded.two")
    tries = count(1)
    hold = writing._bookmark.hold

    def hold_and_let_go() -> None:
        if next(tries) == 2:
            reader.close()
        hold()

    monkeypatch.setattr(writing._bookmark, "hold", hold_and_let_go)
    assert writing.commit(None, final=True) == 3
    assert next(tries) > 2
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert postgres.execute(locks) == [(0,)]
    writing.close()


def test_a_table_that_is_dropped_while_rows_are_read_for_it_is_loaded_again(postgres: Postgres, tmp_path: Path) -> None:
    first = writer(postgres, tmp_path)
    first.open()
    first.begin(Table("made", {"id": Kind.INTEGER}))
    first.write("made", [{"id": 1}])
    first.commit("1", final=False)
    first.begin(Table("made", {"id": Kind.INTEGER, "more": Kind.TEXT}))
    first.write("made", [{"id": 2}])
    postgres.execute("DROP TABLE loaded.made")
    with pytest.raises(SynclineError, match="table 'made' was dropped while rows were read for it"):
        first.commit("2", final=False)
    first.close()
    again = writer(postgres, tmp_path, claim=2)
    assert again.open().bookmark is None
    again.close()


def test_a_table_of_another_role_is_written_to_without_changing_it(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute(
        "CREATE TABLE loaded.made (id bigint PRIMARY KEY, _syncline_task_id text, _syncline_synced_at timestamptz)"
    )
    postgres.execute("DROP ROLE IF EXISTS loads")
    postgres.execute("CREATE ROLE loads LOGIN")
    postgres.execute("GRANT CREATE, USAGE ON SCHEMA loaded TO loads")
    postgres.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON loaded.made TO loads")
    writing = writer(postgres, tmp_path, user="loads")
    writing.open()
    writing.begin(Table("made", {"id": Kind.INTEGER}, key=("id",), mode=WriteMode.UPSERT))
    writing.write("made", [{"id": 1}])
    assert writing.commit(None, final=True) == 1
    with pytest.raises(ConfigurationError, match="Only its owner can do that: ask '") as refused:
        writing.begin(Table("made", {"id": Kind.INTEGER, "more": Kind.TEXT}, key=("id",), mode=WriteMode.UPSERT))
    assert str(refused.value).endswith('to run ALTER TABLE loaded.made ADD COLUMN "more" text')
    postgres.execute("REVOKE CREATE ON SCHEMA loaded FROM loads")
    with pytest.raises(ConfigurationError, match='run GRANT CREATE ON SCHEMA "loaded" TO loads'):
        writing.begin(Table("other", {"id": Kind.INTEGER}))
    writing.close()
    postgres.execute("DROP OWNED BY loads")
    postgres.execute("DROP ROLE loads")


def test_a_key_that_somebody_else_named_is_no_key_of_ours(
    origin: SqliteOrigin, postgres: Postgres, tmp_path: Path
) -> None:
    copying = Copying(origin.url, tmp_path, {"warehouse": postgres.options()})
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute(
        "CREATE TABLE loaded.made (id bigint, region text, price bigint, CONSTRAINT mine PRIMARY KEY (id))"
    )
    make(origin, "(1, 'eu', 1)")
    load(copying, write_mode="upsert", primary_key=["id"])
    make(origin, "(1, 'us', 1)")
    error = load(copying, primary_key=["id", "region"]).failed.error
    assert 'duplicate key value violates unique constraint "mine"' in error
    statement = 'ALTER TABLE "loaded"."made" DROP CONSTRAINT "mine"'
    assert statement in error
    postgres.execute(statement)
    postgres.execute("ALTER TABLE loaded.made ALTER id DROP NOT NULL")
    assert load(copying).finished
    assert len(rows(postgres)) == 2
