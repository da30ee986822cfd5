"""What DuckDB does not change or drop: the error names what is in the way, and what it advises helps."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pytest

from app.connectors.destinations.duckdb.columns import TYPES
from app.connectors.destinations.duckdb.file import TargetFile, translate_errors
from app.connectors.destinations.duckdb.tables import DuckdbTables
from app.connectors.warehouse.changes import take
from app.domain.errors import ConfigurationError
from tests.connectors.attempts import unheard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MADE = "CREATE TABLE loaded.made (id BIGINT, v BIGINT)"
AGAIN = "and make it again after the next task"
RESET = "which DuckDB cannot drop: run 'syncline sources reset --drop', after which the table is made anew without it"


class Warehouse:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "there.duckdb"

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self._path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def change(self, work: Callable[[DuckdbTables], None]) -> None:
        with closing(TargetFile(str(self._path), name="there", work_dir=self._directory, log=unheard)) as file:
            tables = DuckdbTables(file, schema="loaded", naming="as_is")
            with translate_errors("cannot prepare"), file.transaction():
                work(tables)

    def retype(self) -> None:
        self.change(
            lambda tables: take([tables._retyping(tables.qualified("made"), TYPES.column("v", "BIGINT"), "VARCHAR")])
        )

    def relax(self) -> None:
        self.change(lambda tables: take([tables._relaxing(tables.qualified("made"), "v")]))

    def drop(self) -> None:
        self.change(lambda tables: tables.drop("made"))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path)
    warehouse.execute("CREATE SCHEMA loaded")
    return warehouse


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        ((MADE, "CREATE INDEX own ON loaded.made (v)"), f'Run DROP INDEX "loaded"."own", {AGAIN}'),
        ((MADE, "CREATE INDEX own ON loaded.made ((v + 1))"), f'Run DROP INDEX "loaded"."own", {AGAIN}'),
        (
            (MADE, "CREATE INDEX a ON loaded.made (id)", 'CREATE INDEX "b c" ON loaded.made (v)'),
            'Run DROP INDEX "loaded"."a"; DROP INDEX "loaded"."b c", and make them again after the next task',
        ),
        (
            ("CREATE TABLE loaded.made (id BIGINT, v BIGINT, g BIGINT GENERATED ALWAYS AS (v * 2))",),
            f'Run ALTER TABLE "loaded"."made" DROP COLUMN "g", {AGAIN}',
        ),
    ],
)
def test_what_keeps_a_type_from_changing_is_named_with_the_statement_that_helps(
    warehouse: Warehouse, made: tuple[str, ...], advice: str
) -> None:
    warehouse.execute(*made)
    with pytest.raises(ConfigurationError) as refused:
        warehouse.retype()
    assert str(refused.value).startswith('cannot change table "loaded"."made": ')
    assert str(refused.value).endswith(f". {advice}")
    advised = re.search(r"Run (.*), and make", str(refused.value))
    assert advised
    warehouse.execute(*advised[1].split("; "))
    warehouse.retype()


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        ("CREATE TABLE loaded.made (v BIGINT PRIMARY KEY)", f"constraint PRIMARY KEY(v), {RESET}"),
        ("CREATE TABLE loaded.made (v BIGINT UNIQUE)", f"constraint UNIQUE(v), {RESET}"),
        ("CREATE TABLE loaded.made (v BIGINT CHECK (v > 0))", RESET),
        (
            "CREATE TABLE loaded.made (id BIGINT, v BIGINT GENERATED ALWAYS AS (id * 2))",
            'nothing can be loaded into it: run ALTER TABLE "loaded"."made" DROP COLUMN "v"',
        ),
        ("CREATE VIEW loaded.made AS SELECT 1::BIGINT AS v", "It is a view: set another 'table_name'"),
    ],
)
def test_what_duckdb_cannot_remove_is_named_too(warehouse: Warehouse, made: str, advice: str) -> None:
    warehouse.execute(made)
    with pytest.raises(ConfigurationError) as refused:
        warehouse.retype()
    assert str(refused.value).endswith(advice)


def test_a_primary_key_keeps_not_null(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE loaded.made (v BIGINT PRIMARY KEY)")
    with pytest.raises(ConfigurationError, match=r"constraint PRIMARY KEY\(v\), which DuckDB cannot drop"):
        warehouse.relax()


def test_a_foreign_key_keeps_its_table(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE loaded.made (v BIGINT PRIMARY KEY)")
    warehouse.execute("CREATE TABLE loaded.own (x BIGINT REFERENCES loaded.made (v))")
    with pytest.raises(ConfigurationError, match=r'Run DROP TABLE "loaded"."own", or make it without its foreign key'):
        warehouse.drop()
    warehouse.execute('DROP TABLE "loaded"."own"')
    warehouse.drop()
