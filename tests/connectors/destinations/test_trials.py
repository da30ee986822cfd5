"""A test of a destination writes to it, says what does not work, and leaves nothing there."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest

from app.connectors.destinations.dlt import trial as dlt_trial
from app.connectors.making import try_destination
from app.connectors.warehouse.tables import Tables
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_RELATIONS = """
    SELECT relnamespace::regnamespace::text, relname, (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid)
    FROM pg_class AS c WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
    UNION ALL SELECT nspname, NULL, 0 FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2
"""


def attempt(tmp_path: Path, **description: Any) -> str | None:
    work_dir = tmp_path / "work"
    work_dir.mkdir(exist_ok=True)
    return try_destination("there", description, work_dir=work_dir, data_dir=tmp_path / "data", log=lambda *_: None)


def names_in(directory: Path) -> Iterable[str]:
    return sorted(str(each.relative_to(directory)) for each in directory.rglob("*"))


def relations(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(_RELATIONS.encode()).fetchall()


@pytest.mark.parametrize("schema", ["public", "not there yet"])
def test_nothing_is_left_in_postgresql(tmp_path: Path, empty_database_url: str, schema: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    before = relations(empty_database_url)
    attempt(tmp_path, type="postgres", url=empty_database_url, schema=schema)
    assert relations(empty_database_url) == before


def test_nothing_is_left_in_postgresql_after_a_failure(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = relations(empty_database_url)
    monkeypatch.setattr(Tables, "has_rows", lambda *_: False)
    with pytest.raises(SynclineError, match=r"^destination 'there': a row that was written to .* is not there$"):
        attempt(tmp_path, type="postgres", url=empty_database_url, schema="fresh")
    assert relations(empty_database_url) == before


def test_a_database_that_cannot_be_written_to_is_told(tmp_path: Path, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        settings = "SET default_transaction_read_only = on"
        change = f"EXECUTE format('ALTER DATABASE %I {settings}', current_database())"
        connection.execute(f"DO $$ BEGIN {change}; END $$".encode())
    with pytest.raises(SynclineError, match=r"^destination 'there': cannot write to schema 'public': .*read-only"):
        attempt(tmp_path, type="postgres", url=empty_database_url)


def test_nothing_is_left_in_a_file_of_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    attempt(tmp_path, type="duckdb", path=str(path), schema="fresh")
    assert [name for name in names_in(tmp_path) if name.startswith("warehouse")] == ["warehouse.duckdb"]
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall() == [
            ("main", "kept")
        ]
        assert "fresh" not in str(connection.execute("SELECT schema_name FROM duckdb_schemas()").fetchall())


@pytest.mark.parametrize("fails", [False, True])
def test_a_file_of_duckdb_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if fails:
        monkeypatch.setattr(Tables, "has_rows", lambda *_: False)
        with pytest.raises(SynclineError, match="is not there"):
            attempt(tmp_path, type="duckdb", path=str(home / "new.duckdb"))
    else:
        attempt(tmp_path, type="duckdb", path=str(home / "new.duckdb"))
    assert names_in(home) == []
    with pytest.raises(ConfigurationError, match="does not exist"):
        attempt(tmp_path, type="duckdb", path=str(home / "no" / "new.duckdb"))


def test_nothing_is_left_where_parquet_files_go(tmp_path: Path) -> None:
    lake = tmp_path / "some" / "lake"
    attempt(tmp_path, type="parquet", path=str(lake))
    assert not lake.parent.exists()
    (lake / "table").mkdir(parents=True)
    attempt(tmp_path, type="parquet", path=f"file://{lake}")
    assert names_in(lake) == ["table"]
    (tmp_path / "a file").touch()
    with pytest.raises(ConfigurationError, match=r"^destination 'there': cannot use .*a file"):
        attempt(tmp_path, type="parquet", path=str(tmp_path / "a file" / "lake"))


def described(kind: str, home: Path) -> dict[str, Any]:
    own = {
        "duckdb": {"credentials": str(home / "warehouse.duckdb")},
        "sqlalchemy": {"credentials": f"sqlite:///{home / 'warehouse.sqlite'}"},
        "filesystem": {"bucket_url": str(home / "bucket")},
    }[kind]
    return {"type": f"dlt:{kind}", "dataset": "raw", **own}


@pytest.mark.parametrize("kind", ["duckdb", "sqlalchemy", "filesystem"])
def test_nothing_is_left_where_dlt_has_no_dataset_yet(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    attempt(tmp_path, **described(kind, home))
    assert names_in(home) == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_dataset_of_dlt_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA raw")
        connection.execute("CREATE TABLE raw.kept AS SELECT 1 AS id")
    if fails:
        create = dlt_trial._create

        def fail(client: Any, table: str) -> None:
            create(client, table)
            raise SynclineError("failed on purpose")

        monkeypatch.setattr(dlt_trial, "_create", fail)
        with pytest.raises(SynclineError, match=r"^destination 'there': failed on purpose$"):
            attempt(tmp_path, **described("duckdb", tmp_path))
    else:
        attempt(tmp_path, **described("duckdb", tmp_path))
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall() == [("raw", "kept")]


def test_a_database_of_dlt_that_is_not_writable_is_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "warehouse.sqlite")) as connection:
        connection.execute("CREATE TABLE kept (id INTEGER)")
    credentials = f"sqlite:///file:{tmp_path / 'warehouse.sqlite'}?mode=ro&uri=true"
    with pytest.raises(SynclineError, match=r"^destination 'there': cannot write: "):
        attempt(tmp_path, type="dlt:sqlalchemy", dataset="main", credentials=credentials)


TARGET = """
import sys
if sys.argv[1:] == ["--about"]:
    print("target-made, with the token hunter2-hunter2")
else:
    sys.exit("target-made: unknown argument")
"""


def test_a_singer_target_is_started(tmp_path: Path) -> None:
    (tmp_path / "target.py").write_text(TARGET)
    command = [sys.executable, str(tmp_path / "target.py")]
    found = attempt(tmp_path, type="singer", command=command, settings={"token": "hunter2-hunter2"})
    assert found == "target-made, with the token ***"


def test_a_singer_target_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'command': cannot start '/no/such/target': No such file"):
        attempt(tmp_path, type="singer", command=["/no/such/target"])
    broken = [sys.executable, "-c", "import made_up_module"]
    with pytest.raises(SynclineError, match=r"the target ended with code 1: ModuleNotFoundError: No module named"):
        attempt(tmp_path, type="singer", command=broken)


def test_there_is_nothing_to_try_where_nothing_is_kept(tmp_path: Path) -> None:
    assert attempt(tmp_path, type="none") is None
