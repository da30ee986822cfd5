"""Dropping the tables of a collection, in every kind of destination that can; the next load makes them anew."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import OwnTable
from tests.connectors.attempts import Attempt, Duckdb, Postgres, Told, Trial
from tests.connectors.contract.test_standing import Shop, There

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["postgres", "duckdb", "parquet", "dlt:duckdb"])
def there(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> There:
    warehouse = postgres if request.param == "postgres" else Duckdb(tmp_path / "there.duckdb")
    return There(request.param, tmp_path, warehouse)


def drop(trial: Trial, *confirmed: str) -> list[tuple[str, bool, bool]]:
    """The tables as they are reported: name, whether others load it, whether it was dropped."""
    collection = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"} | trial.collection
    job: dict[str, Any] = {
        "mode": "drop_tables",
        "source": trial.source,
        "source_type": trial.source_type,
        "source_config": trial.source_config,
        "collection": collection,
        "destinations": trial.destinations,
        "data_dir": str(trial.directory / "state"),
        "confirmed": {"there": list(confirmed)} if confirmed else {},
    }
    told = Told.by(Attempt(job))
    assert told.finished
    return [(each.table, each.shared, each.dropped) for each in told.messages if isinstance(each, OwnTable)]


def test_dropped_tables_are_made_anew_with_the_types_of_the_source(there: There, tmp_path: Path) -> None:
    shop = Shop.of(tmp_path, there)
    assert drop(shop.trial) == [], "before the first load there is none"
    shop.load()
    assert drop(shop.trial) == [("made", False, False)], "listing drops nothing"
    assert there.ids("made") == list(range(10))
    assert drop(shop.trial, "made") == [("made", False, True)]
    assert drop(shop.trial) == []
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DROP TABLE orders")
        connection.execute("CREATE TABLE orders (id TEXT, at INTEGER)")
        connection.execute("INSERT INTO orders VALUES ('one', 1)")
    shop.trial.generation = 1
    assert shop.load().finished.rows_written == 1
    assert list(map(str, there.ids("made"))) == ["one"]


@pytest.mark.parametrize("there", ["postgres", "duckdb", "dlt:duckdb"], indirect=True)
def test_a_table_that_others_load_stays(there: There, tmp_path: Path) -> None:
    shop = Shop.of(tmp_path, there)
    other = Shop(replace(shop.trial, source="other", tasks=100), shop.database)
    shop.load()
    other.load(type="older")
    assert drop(shop.trial, "made") == [("made", True, False)]
    assert len(there.ids("made")) == 20


def test_the_table_of_bad_rows_is_dropped_with_that_of_the_others(there: There, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\nx\n")
    trial = Trial(tmp_path, {"there": there.options}, "files")
    parameters = {"path": str(tmp_path / "a.csv"), "types": {"id": "integer"}}
    trial.collection = {"write_mode": "append", "parameters": parameters | {"bad_rows": "keep"}}
    assert trial.run().finished.rows_written == 2
    both = ("made", "made_bad_rows")
    assert drop(trial) == [(name, False, False) for name in both]
    trial.collection["parameters"] = parameters | {"bad_rows": "skip"}
    assert trial.run().finished
    assert drop(trial) == [(name, False, False) for name in both], "it stays when bad rows are no longer kept"
    assert drop(trial, *both) == [(name, False, True) for name in both]
    assert drop(trial) == []


@pytest.mark.parametrize("there", ["postgres", "duckdb", "dlt:duckdb"], indirect=True)
def test_tables_without_rows_are_dropped_too(there: There, tmp_path: Path) -> None:
    shop = Shop.of(tmp_path, there)
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DELETE FROM older")
    told = shop.load(type="all", sync_mode="full_refresh", cursor_field=None)
    assert told.finished.rows_written == 10
    both = ["made_older", "made_orders"]
    assert drop(shop.trial) == [(name, False, False) for name in both]
    assert drop(shop.trial, *both) == [(name, False, True) for name in both]
    assert drop(shop.trial) == []
