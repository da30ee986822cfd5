"""Several destinations of one source: read once, loaded into each, and one that fails takes nothing from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo

from tests.connectors.attempts import Duckdb, Postgres
from tests.scenarios.landings import WarehouseLanding
from tests.scenarios.lives import Life
from tests.scenarios.rows import FIRST, SECOND, made
from tests.scenarios.sources import PythonSource

if TYPE_CHECKING:
    from pathlib import Path

FIRST_FOUND = [(row.id, row.text) for row in FIRST]
SECOND_FOUND = sorted((row.id, row.text) for row in SECOND)


@pytest.fixture
def narrow(postgres: Postgres) -> WarehouseLanding:
    """Takes texts of up to six characters."""
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute("CREATE TABLE loaded.made (id bigint PRIMARY KEY, seq bigint, text varchar(6))")
    return WarehouseLanding("narrow", postgres)


@pytest.fixture
def wide(tmp_path: Path) -> WarehouseLanding:
    return WarehouseLanding("wide", Duckdb(tmp_path / "warehouse.duckdb"))


def test_a_destination_that_refuses_a_value_lacks_it_alone_until_it_can_take_it(
    narrow: WarehouseLanding, wide: WarehouseLanding, postgres: Postgres, tmp_path: Path
) -> None:
    source = PythonSource(tmp_path)
    life = Life(source, [narrow, wide], "upsert", tmp_path)
    source.put(FIRST)
    assert life.trial.run().finished.records_read == 20
    source.put(SECOND)
    life.trial.commit_records = 5
    told = life.trial.run()
    assert told.failed.error.startswith("destination '0_narrow': ")
    assert "varchar(6)" in told.failed.error or "character varying(6)" in told.failed.error
    assert not told.failed.retryable
    assert any(told.failed.error in line for line in told.lines), "said when it happens"
    assert wide.rows() == SECOND_FOUND
    assert narrow.rows() == [(row.id, row.text) for row in made(25)], "the five rows before the one that it refused"
    postgres.execute("ALTER TABLE loaded.made ALTER text TYPE text")
    again = life.trial.run(again=1)
    assert again.finished.records_read == 2, "what this one lacked"
    assert sorted((each.destination, each.rows) for each in again.committed if each.rows) == [("0_narrow", 2)]
    assert narrow.rows() == SECOND_FOUND
    assert life.trial.run().finished.records_read == 0, "both are equally far again"


def test_a_destination_that_is_not_there_gets_everything_later(
    postgres: Postgres, wide: WarehouseLanding, tmp_path: Path
) -> None:
    there = WarehouseLanding("postgres", postgres)
    source = PythonSource(tmp_path)
    source.put(FIRST)
    life = Life(source, [there, wide], "upsert", tmp_path)
    options = life.trial.destinations["0_postgres"]
    life.trial.destinations["0_postgres"] = options | {"url": "postgresql://nobody@127.0.0.1:1/none"}
    told = life.trial.run()
    assert "destination '0_postgres': cannot connect" in told.failed.error
    assert told.failed.retryable
    assert [(each.destination, each.rows) for each in told.committed] == [("1_wide", 20)]
    life.trial.destinations["0_postgres"] = options
    source.put(SECOND)
    told = life.trial.run(again=1)
    assert [(each.destination, each.rows) for each in told.committed] == [("1_wide", 0), ("0_postgres", 25)]
    assert life.trial.run().finished.rows_written == 7, "what came after the other's task"
    assert there.rows() == wide.rows() == SECOND_FOUND


def test_nothing_is_read_if_every_destination_fails_and_one_error_names_them_all(
    postgres: Postgres, tmp_path: Path
) -> None:
    life = Life(PythonSource(tmp_path), [WarehouseLanding("postgres", postgres)], "append", tmp_path)
    missing = {"type": "postgres", "url": make_conninfo(postgres.url, dbname="none")}
    life.trial.destinations = {"first": missing, "second": {"type": "duckdb", "path": str(tmp_path / "no" / "file")}}
    failed = life.trial.run().failed
    assert "destination 'first': cannot connect: " in failed.error
    assert "; destination 'second': 'path': the directory " in failed.error
    assert not failed.retryable
    life.trial.destinations["second"] = {"type": "postgres", "url": "postgresql://nobody@127.0.0.1:1/none"}
    assert life.trial.run().failed.retryable, "one of them may be back"


def test_where_a_newer_attempt_is_seen_nothing_at_all_is_written(
    postgres: Postgres, wide: WarehouseLanding, tmp_path: Path
) -> None:
    source = PythonSource(tmp_path)
    source.put(FIRST)
    life = Life(source, [wide, WarehouseLanding("postgres", postgres)], "append", tmp_path)
    life.trial.run()
    source.put(SECOND)
    postgres.execute("UPDATE loaded._syncline_bookmarks SET task = 'ffffffff-0000-7000-8000-000000000000'")
    failed = life.trial.run().failed
    assert "a newer attempt has written collection" in failed.error
    assert not failed.retryable
    assert wide.rows() == FIRST_FOUND
