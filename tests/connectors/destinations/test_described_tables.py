"""What destinations tell of the columns of their tables, from which changes of a schema are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Describing
from app.connectors.contract.schema import Digits, Kind, Table
from app.connectors.making import make_destination
from app.domain.writing import SchemaPolicy, WriteMode
from tests.connectors.fences import fence_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.connectors.contract.passes import DescribedTable

    Load = Callable[[Table, list[dict[str, Any]]], list[DescribedTable]]

EVERYTHING = Table(
    "made",
    {f"a {kind.value}": kind for kind in Kind} | {"Price": Kind.DECIMAL},
    digits={"Price": Digits(18, 2)},
    mode=WriteMode.APPEND,
)


@pytest.fixture(params=["postgres", "duckdb", "parquet"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Load:
    """Loads rows of a table as one more attempt does, and returns the tables as the destination describes them."""
    kind = request.param
    options: dict[str, Any] = {"type": kind, "path": str(tmp_path / kind)}
    if kind == "postgres":
        options = {"type": kind, "url": request.getfixturevalue("empty_database_url"), "schema": "loaded"}
    claims = iter(range(1, 100))

    def loaded(table: Table, rows: list[dict[str, Any]]) -> list[DescribedTable]:
        claim = next(claims)
        fence = fence_of(f"0192f7c2-0000-7000-8000-{claim:012}", claim=claim)
        destination = make_destination("there", options, fence=fence, work_dir=tmp_path, log=lambda *_: None)
        destination.open()
        destination.begin(table)
        destination.write("made", rows)
        destination.commit(None, final=True)
        assert isinstance(destination, Describing)
        described = destination.describe_tables()
        destination.close()
        return described

    return loaded


def test_an_unchanged_table_is_described_in_the_same_way(load: Load) -> None:
    first, second = (load(EVERYTHING, [{"Price": 1}]) for _ in range(2))
    assert [each.columns for each in first] == [each.columns for each in second]
    [described] = first
    assert described.columns.keys() == EVERYTHING.columns.keys()
    name, type_ = described.columns["Price"]
    assert (name.lower(), "18" in type_) == ("price", True)


def test_a_field_that_no_source_announced_is_described_as_inferred(load: Load) -> None:
    [described] = load(Table("made", {"id": Kind.INTEGER}), [{"id": 1, "late": {"a": 1}}])
    assert described.table.columns["late"] is Kind.JSON
    assert described.table.inferred == {"late"}
    assert "late" in described.columns


def test_a_field_that_is_left_out_has_no_column(load: Load) -> None:
    load(Table("made", {"id": Kind.INTEGER}), [{"id": 1}])
    wider = Table("made", {"id": Kind.INTEGER, "late": Kind.TEXT}, schema_policy=SchemaPolicy.DISCARD)
    [described] = load(wider, [{"id": 2, "late": "x"}])
    assert described.columns.keys() == {"id"}
    assert described.table.columns.keys() == {"id", "late"}
