"""Columns whose type changes at the source, with 'schema_policy: widen' and without."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from app.connectors.contract.schema import Kind, Table
from app.connectors.destinations.duckdb.destination import DuckdbDestination
from app.connectors.destinations.duckdb.options import DuckdbDestinationOptions
from app.connectors.destinations.postgres import destination
from app.connectors.destinations.postgres.columns import TYPES
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.values.fitting import ValueRefusedError
from app.domain.errors import SynclineError
from app.domain.writing import SchemaPolicy, WriteMode
from tests.connectors.attempts import Duckdb, Postgres, Told, Trial, unheard
from tests.connectors.fences import fence_of
from tests.connectors.sources.sql.origins import Copying, SqliteOrigin
from tests.connectors.warehouse.test_way_out import columns

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse


# Yields what the file beside it says.
SOURCE = """
import json, pathlib
def rows(context):
    yield from json.loads(pathlib.Path(__file__).with_name("made.json").read_text())
"""


class Made:
    """Records of a function, whose types only the values show."""

    def __init__(self, directory: Path, warehouse: Warehouse) -> None:
        self._file = directory / "made.json"
        (directory / "made.py").write_text(SOURCE)
        self.warehouse = warehouse
        config = {"function": "made:rows", "path": [str(directory)]}
        self.trial = Trial(directory, {"warehouse": warehouse.options()}, "python", config)
        self.trial.collection = {"schema_policy": "widen", "primary_key": ["id"], "write_mode": "upsert"}

    def load(self, *values: str, first: int = 1) -> Told:
        """Values as JSON has them."""
        records = [f'{{"id": {number}, "v": {value}}}' for number, value in enumerate(values, first)]
        self._file.write_text(f"[{', '.join(records)}]")
        return self.trial.run()

    def values(self) -> list[Any]:
        return [value for (value,) in self.warehouse.execute("SELECT v FROM loaded.made ORDER BY id")]

    @property
    def type(self) -> str:
        return columns(self.warehouse)["v"].lower()


@pytest.fixture
def made(tmp_path: Path, warehouse: Warehouse) -> Made:
    return Made(tmp_path, warehouse)


@pytest.mark.parametrize(
    ("before", "after", "type_", "values"),
    [
        ("10", "123456789012345678901234567890", ("numeric", "hugeint"), [10, 123456789012345678901234567890]),
        ("true", '"perhaps"', ("text", "varchar"), ["true", "perhaps"]),
        ("10", '"n/a"', ("text", "varchar"), ["10", "n/a"]),
    ],
)
def test_a_column_gets_the_type_that_holds_old_and_new_values(
    made: Made, before: str, after: str, type_: tuple[str, str], values: list[Any]
) -> None:
    assert made.load(before).finished
    assert made.load(before, after).finished.rows_written == 1
    assert (made.type in type_, made.values()) == (True, values)
    assert made.load(before, after).finished.rows_written == 0, "and stays"


def test_a_column_is_widened_as_often_as_its_values_need_it(made: Made) -> None:
    made.load("10")
    assert made.load("10", "1.5", "9e30", '"x"').finished
    assert made.type in ("text", "varchar")
    assert made.load("10", "1.5", "9e30", '"x"').finished


@pytest.mark.parametrize("mode", ["upsert", "history"])
def test_a_column_by_which_rows_are_recognised_does_not_become_text_of_another_form(made: Made, mode: str) -> None:
    made.trial.collection |= {"primary_key": ["v"], "write_mode": mode}
    made.load("1.5", "1e20")
    failed = made.load("1.5", "1e20", '"x"').failed
    assert "run 'syncline sources reset --drop', after which the table is made anew" in failed.error
    assert len(made.values()) == 2


def test_without_widen_the_error_names_the_statement_that_helps(made: Made) -> None:
    made.trial.collection["schema_policy"] = "evolve"
    made.load("10")
    error = made.load("10", '"n/a"').failed.error
    assert "Set 'schema_policy: widen', or run ALTER TABLE" in error
    made.warehouse.execute(error.partition(", or run ")[2])
    assert made.load("10", '"n/a"').finished.rows_written == 1
    assert made.values() == ["10", "n/a"]


@pytest.mark.parametrize(
    ("last", "type_"), [(2**53 + 1, "BIGINT"), (2**70, "HUGEINT"), ("0.12345678901234567891", "VARCHAR")]
)
@pytest.mark.parametrize("separately", [False, True])
def test_integers_that_outgrow_a_double_stay_what_they_were(
    duckdb: Duckdb, tmp_path: Path, last: int | str, type_: str, *, separately: bool
) -> None:
    """JSON's numbers are doubles at first."""
    trial = Trial(tmp_path, {"warehouse": duckdb.options()}, "files")
    trial.collection = {
        "primary_key": ["id"],
        "write_mode": "upsert",
        "schema_policy": "widen" if separately else "evolve",
        "parameters": {"path": str(tmp_path / "*.jsonl")},
    }
    (tmp_path / "1.jsonl").write_text("".join(f'{{"id": {number}, "user": {number}}}\n' for number in range(30_000)))
    if separately:
        assert trial.run().finished
        assert columns(duckdb)["user"] == "DOUBLE"
    (tmp_path / "2.jsonl").write_text(f'{{"id": 30000, "user": {last}}}')
    assert trial.run().finished
    assert columns(duckdb)["user"] == type_
    found = [str(value) for (value,) in duckdb.execute('SELECT "user" FROM loaded.made ORDER BY id')]
    assert found[-1] == str(last)
    if type_ != "VARCHAR":
        assert found[:-1] == [str(number) for number in range(30_000)]


def test_floats_that_a_new_table_has_committed_stay_floats(duckdb: Duckdb, tmp_path: Path) -> None:
    """The first load has made the table with its first commit, and goes on."""
    options = DuckdbDestinationOptions.model_validate(duckdb.options())
    fence = fence_of("0192f7c2-0000-7000-8000-000000000001")
    writer = DuckdbDestination(options, fence, name="warehouse", work_dir=tmp_path, log=unheard)
    writer.open()
    kinds = {"id": Kind.INTEGER, "v": Kind.NUMBER}
    writer.begin(Table("made", kinds, key=("id",), mode=WriteMode.UPSERT, inferred=frozenset({"v"})))
    writer.write("made", [{"id": 1, "v": 1.5}])
    writer.commit("1", final=False)
    with pytest.raises(ValueRefusedError, match="Set 'schema_policy: widen', or run ALTER TABLE"):
        writer.write("made", [{"id": 2, "v": 2**53 + 1}])
    writer.close()
    assert duckdb.execute("SELECT v FROM loaded.made") == [(1.5,)]


def test_the_statement_that_makes_floats_integers_rounds_none(postgres: Postgres) -> None:
    statement = TYPES.alteration("made", TYPES.column("v", "double precision"), "bigint")
    postgres.execute("CREATE TABLE made (v DOUBLE PRECISION)")
    postgres.execute("INSERT INTO made VALUES (9007199254740992), (-3), (NULL), (1.5)")
    with pytest.raises(psycopg.DataError):
        postgres.execute(statement)
    postgres.execute("DELETE FROM made WHERE v = 1.5")
    postgres.execute(statement)
    assert postgres.execute("SELECT v FROM made ORDER BY v") == [(-3,), (2**53,), (None,)]


def test_fractions_that_came_meanwhile_are_not_rounded(duckdb: Duckdb, tmp_path: Path) -> None:
    duckdb.execute("CREATE SCHEMA loaded")
    duckdb.execute("CREATE TABLE loaded.made (id BIGINT, v DOUBLE)")
    options = DuckdbDestinationOptions.model_validate(duckdb.options())
    fence = fence_of("0192f7c2-0000-7000-8000-000000000001")
    writer = DuckdbDestination(options, fence, name="warehouse", work_dir=tmp_path, log=unheard)
    writer.open()
    kinds = {"id": Kind.INTEGER, "v": Kind.NUMBER}
    writer.begin(Table("made", kinds, inferred=frozenset({"v"}), schema_policy=SchemaPolicy.WIDEN))
    writer.write("made", [{"id": 2, "v": 2**53 + 1}])
    duckdb.execute("INSERT INTO loaded.made VALUES (1, 1.5)")
    with pytest.raises(SynclineError, match="column 'v' has got fractions while rows were read for it"):
        writer.commit(None, final=True)
    writer.close()
    assert duckdb.execute("SELECT v FROM loaded.made") == [(1.5,)]


def test_what_keeps_a_declared_type_away_does_not_matter_while_values_fit(postgres: Postgres, tmp_path: Path) -> None:
    trial = Trial(tmp_path, {"warehouse": postgres.options()}, "files")
    parameters: dict[str, Any] = {"path": str(tmp_path / "*.jsonl"), "types": {"v": "integer"}}
    trial.collection = {"primary_key": ["id"], "write_mode": "upsert", "parameters": parameters}
    (tmp_path / "1.jsonl").write_text('{"id": 1, "v": 1}')
    assert trial.run().finished
    postgres.execute("CREATE VIEW loaded.seen AS SELECT v FROM loaded.made")
    parameters["types"] = {"v": "decimal(10,2)"}
    (tmp_path / "2.jsonl").write_text('{"id": 2, "v": 2}')
    assert trial.run().finished.rows_written == 1
    assert columns(postgres)["v"] == "bigint"


def test_a_type_that_the_user_declares_widens_its_column_without_the_policy(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    trial = Trial(tmp_path, {"warehouse": warehouse.options()}, "files")
    parameters: dict[str, Any] = {"path": str(tmp_path / "*.jsonl")}
    trial.collection = {"primary_key": ["id"], "write_mode": "upsert", "parameters": parameters}
    (tmp_path / "1.jsonl").write_text('{"id": 1, "v": true}')
    assert trial.run().finished
    (tmp_path / "2.jsonl").write_text('{"id": 2, "v": "x"}')
    assert "set the column's type in 'types'" in trial.run().failed.error
    parameters["types"] = {"v": "text"}
    trial.collection["schema_policy"] = "freeze"
    assert trial.run().failed, "which changes no table"
    trial.collection["schema_policy"] = "evolve"
    assert trial.run().finished
    assert warehouse.execute("SELECT v FROM loaded.made ORDER BY id") == [("true",), ("x",)]


def test_a_value_that_does_not_fit_the_first_load_of_a_declared_type_names_no_table(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    origin = SqliteOrigin(tmp_path / "shop.db")
    origin.execute("CREATE TABLE made (id INTEGER, active BOOLEAN)")
    origin.execute("INSERT INTO made VALUES (1, 't')")
    copying = Copying(origin.url, tmp_path, {"warehouse": warehouse.options()})
    copying.collection = {"primary_key": ["id"]}
    error = copying.run().failed.error
    assert error.endswith("Set 'schema_policy: widen', or correct the value or its type at the source")
    copying.collection["schema_policy"] = "widen"
    assert copying.run().finished
    assert warehouse.execute("SELECT active FROM loaded.made") == [("t",)]


def test_a_table_that_is_not_made_yet_takes_the_type_that_its_first_values_need(made: Made) -> None:
    made.trial.collection["schema_policy"] = "evolve"
    many = [str(number) for number in range(30_000)]
    assert made.load(*many, '"n/a"').finished.rows_written == 30_001
    assert made.type in ("text", "varchar")


def test_a_widened_column_is_reported(made: Made) -> None:
    made.load("10")
    described = [each for each in made.load("10", '"n/a"').messages if type(each).__name__ == "TableDescribed"]
    found: Any = described[-1]
    assert next(each.column_type for each in found.columns if each.field == "v") in ("text", "VARCHAR")


def test_doubles_become_the_decimals_that_the_source_declares(
    postgres: Postgres, warehouse: Warehouse, tmp_path: Path
) -> None:
    postgres.execute("CREATE TABLE made (id INTEGER PRIMARY KEY, price NUMERIC(10, 2))")
    postgres.execute("INSERT INTO made VALUES (1, 0.1), (2, 12345678.91)")
    trial = Trial(tmp_path, {"warehouse": warehouse.options()}, "sql", {"url": postgres.url})
    trial.collection = {"primary_key": ["id"], "write_mode": "upsert"}
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.made (id BIGINT, price DOUBLE PRECISION)")
    warned = [line for line in trial.run().lines if "sums over binary floats are not exact. Widen with ALTER" in line]
    assert len(warned) == 1
    trial.collection["schema_policy"] = "widen"
    assert trial.run().finished
    assert warehouse.execute("SELECT sum(price) FROM loaded.made") == [(Decimal("12345679.01"),)]


def test_a_view_on_the_column_is_named_and_an_index_follows(postgres: Postgres, tmp_path: Path) -> None:
    made = Made(tmp_path, postgres)
    made.load("10")
    postgres.execute("CREATE INDEX own ON loaded.made (v)")
    postgres.execute("CREATE VIEW loaded.seen AS SELECT v FROM loaded.made")
    error = made.load("10", "9.99").failed.error
    assert "other objects use column 'v'. Run DROP VIEW loaded.seen, and make it again after the next task, or" in error
    assert made.type == "bigint"
    postgres.execute("DROP VIEW loaded.seen")
    assert made.load("10", "9.99").finished.rows_written == 1
    assert (made.type, made.values()) == ("numeric", [10, Decimal("9.99")])
    assert postgres.execute("SELECT count(*) FROM pg_indexes WHERE indexname = 'own'") == [(1,)]


def test_a_view_in_duckdb_is_no_obstacle_and_an_index_is_named(duckdb: Duckdb, tmp_path: Path) -> None:
    made = Made(tmp_path, duckdb)
    made.load("10")
    duckdb.execute("CREATE VIEW loaded.seen AS SELECT v FROM loaded.made")
    duckdb.execute("CREATE INDEX own ON loaded.made (v)")
    error = made.load("10", "9.99").failed.error
    assert 'cannot get another type. Run DROP INDEX "loaded"."own", and make it again after the next task' in error
    duckdb.execute("DROP INDEX loaded.own")
    assert made.load("10", "9.99").finished.rows_written == 1
    assert duckdb.execute("SELECT v FROM loaded.seen ORDER BY v DESC") == [(Decimal("10.00"),), (Decimal("9.99"),)]


def test_a_reader_in_a_transaction_is_waited_for_without_holding_others_up(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(destination, "_TRY_MILLISECONDS", 50)
    monkeypatch.setattr(destination, "_PAUSE_SECONDS", 0.1)
    options = PostgresDestinationOptions.model_validate(postgres.options())
    postgres.execute("CREATE SCHEMA loaded")
    postgres.execute("CREATE TABLE loaded.made (id bigint)")
    fence = fence_of("0192f7c2-0000-7000-8000-000000000001")
    writer = destination.PostgresDestination(options, fence, name="warehouse", work_dir=tmp_path, log=unheard)
    writer.open()
    wider = Table("made", {"id": Kind.INTEGER, "more": Kind.TEXT})
    with psycopg.connect(postgres.url, application_name="a report") as reader:
        reader.execute("SELECT count(*) FROM loaded.made")
        writer.begin(wider)
        writer.write("made", [{"id": 1, "more": "x"}])
        with pytest.raises(SynclineError, match=r"others kept the table in use for 1 s: process \d+ \('a report', for"):
            writer.commit(None, final=True)
    assert writer.commit(None, final=True) == 1
    writer.close()


def test_json_that_comes_into_a_typed_column_makes_it_json(made: Made) -> None:
    made.load("10")
    assert made.load("10", '{"a": 1}').finished
    assert made.type in ("jsonb", "json")
    assert [json.loads(value) if isinstance(value, str) else value for value in made.values()] == [10, {"a": 1}]
