"""Rows that the user's own constraints refuse: the error names the constraint, and the statement that drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connectors.attempts import Postgres, Scene, record, schema

if TYPE_CHECKING:
    from pathlib import Path

MADE = "CREATE TABLE loaded.made (id bigint)"


@pytest.mark.parametrize(
    "constraint",
    [
        "CHECK (id > 1)",
        "FOREIGN KEY (id) REFERENCES loaded.others (id)",
        "EXCLUDE USING btree (id WITH =)",
    ],
)
def test_a_constraint_that_refuses_a_row_is_named_with_the_statement_that_drops_it(
    postgres: Postgres, tmp_path: Path, constraint: str
) -> None:
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute("CREATE TABLE loaded.others (id bigint PRIMARY KEY)")
    postgres.execute(MADE)
    postgres.execute(f"ALTER TABLE loaded.made ADD CONSTRAINT own {constraint}")
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    lines = [schema(id="integer"), record(id=1), record(id=1)]
    failed = scene.load(*lines).failed
    advised = 'ALTER TABLE "loaded"."made" DROP CONSTRAINT "own"'
    assert f"Correct the value at the source, or drop the constraint with {advised}" in failed.error
    assert not failed.retryable
    postgres.execute(advised)
    assert scene.load(*lines).finished.rows_written == 2


@pytest.mark.parametrize("kind", ["AS IDENTITY", "AS (1) STORED"])
def test_a_column_that_postgresql_fills_takes_no_values(postgres: Postgres, tmp_path: Path, kind: str) -> None:
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute(f"CREATE TABLE loaded.made (id bigint GENERATED ALWAYS {kind})")
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    failed = scene.load(schema(id="integer"), record(id=1)).failed
    assert "leave the field out with 'columns.exclude', or run ALTER TABLE" in failed.error
    assert not failed.retryable


def test_more_columns_than_postgresql_has_can_be_left_out(postgres: Postgres, tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    failed = scene.load(schema(**{f"c{number}": "integer" for number in range(1601)}), record(c1=1)).failed
    assert "1600 columns: leave fields out with 'columns.exclude'" in failed.error


@pytest.mark.parametrize("name", ["ctid", "xmin", "tableoid"])
def test_a_name_of_postgresqls_own_can_be_changed(postgres: Postgres, tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()}, collection={"sync_mode": "full_refresh"})
    lines = [schema(**{name: "integer"}), record(**{name: 1})]
    failed = scene.load(*lines).failed
    assert failed.error == (
        f"destination 'warehouse': cannot prepare table 'made': column name \"{name}\" conflicts with a system column "
        "name: give the field another name with 'columns.rename', or leave it out with 'columns.exclude'"
    )
    assert not failed.retryable
    scene.collection["columns"] = {"rename": {name: "own"}}
    assert scene.load(*lines).finished.rows_written == 1
