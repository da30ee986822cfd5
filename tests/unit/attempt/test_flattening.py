"""What a source yields, with objects taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from app.attempt.shaping import shaped
from app.attempt.sink import Sink
from app.attempt.writing import Writing
from app.connectors.contract.batches import Columns
from app.connectors.contract.json_schema import columns_of, nested_of
from app.connectors.contract.passes import Checkpoint, Position, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.contract.standing import Standing
from app.connectors.values import jsontext
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.columns import ColumnRules
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.passes import Item

SCHEMA: dict[str, Any] = {
    "properties": {
        "id": {"type": "integer"},
        "address": {
            "type": ["null", "object"],
            "properties": {
                "city": {"type": "string"},
                "geo": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}},
            },
        },
        "tags": {"type": "array"},
        "extra": {"type": "object"},
    }
}
PEOPLE = Table("people", columns_of(SCHEMA), key=("id",), nested=nested_of(SCHEMA))


def flattened(
    rules: ColumnRules, *items: Item, sinks: tuple[Sink, ...] = (), mode: WriteMode | None = None
) -> tuple[list[Table], list[Any]]:
    """The tables and the batches that come out."""
    collection = CollectionJob("people", "people", "people", "2024-01-01", columns=rules, write_mode=mode)
    job = SourceJob(source="s", source_type="t", source_config={}, collection=collection, data_dir="")
    found = list(shaped(list(items), job, writing=Writing.of(job), sinks=sinks, log=lambda *_: None))
    assert [item for item in items if isinstance(item, Checkpoint)] == [i for i in found if isinstance(i, Checkpoint)]
    return [i for i in found if isinstance(i, Table)], [i.batch for i in found if isinstance(i, Rows)]


def rows(*records: dict[str, Any]) -> Rows:
    return Rows("people", list(records), 1)


def test_what_is_declared_inside_of_objects_becomes_columns_at_once() -> None:
    (one,), _ = flattened(ColumnRules(flatten=1), PEOPLE)
    assert one.columns == {"id": Kind.INTEGER, "address_city": Kind.TEXT, "address_geo": Kind.JSON}
    (two,), _ = flattened(ColumnRules(flatten=2), PEOPLE)
    assert two.columns == {
        "id": Kind.INTEGER,
        "address_city": Kind.TEXT,
        "address_geo_lat": Kind.NUMBER,
        "address_geo_lon": Kind.NUMBER,
    }
    assert not two.inferred


def test_what_only_values_show_becomes_a_column_with_its_first_value() -> None:
    tables, batches = flattened(
        ColumnRules(flatten=1),
        PEOPLE,
        rows({"id": 1, "tags": None, "extra": {"a": None}}),
        rows({"id": 2, "tags": [1], "extra": {"a": jsontext.fraction("1.5"), "b": {"c": 1}}}, {"id": 3, "extra": {}}),
        rows({"id": 4, "extra": "text"}),
        Checkpoint("1"),
    )
    new = [{name: table.columns[name] for name in table.inferred} for table in tables]
    assert new == [
        {},
        {"tags": Kind.JSON, "extra_a": Kind.NUMBER, "extra_b": Kind.JSON},
        {"tags": Kind.JSON, "extra_a": Kind.NUMBER, "extra_b": Kind.JSON, "extra": Kind.JSON},
    ]
    assert batches == [
        [{"id": 1, "tags": None, "extra_a": None}],
        [
            {"id": 2, "tags": [1], "extra_a": jsontext.fraction("1.5"), "extra_b": {"c": 1}},
            {"id": 3, "extra_a": None, "extra_b": None},
        ],
        [{"id": 4, "extra": "text", "extra_a": None, "extra_b": None}],
    ]


def test_a_field_that_the_source_has_not_announced_is_left_to_the_destination() -> None:
    tables, batches = flattened(ColumnRules(flatten=1), PEOPLE, rows({"id": 1, "late": 5, "more": {"x": 1}}))
    assert tables[-1].inferred == {"more_x"}
    assert batches == [[{"id": 1, "late": 5, "more_x": 1}]]


def test_names_are_those_that_columns_gives() -> None:
    rules = ColumnRules(rename={"address": "home"}, exclude=("extra",), flatten=1)
    tables, batches = flattened(rules, PEOPLE, rows({"id": 1, "address": {"city": "Rome"}, "extra": {"a": 1}}))
    assert "home_city" in tables[0].columns
    assert batches == [[{"id": 1, "home_city": "Rome", "home_geo": None}]]
    hashed, _ = flattened(ColumnRules(hash=("address",), flatten=1), PEOPLE)
    assert hashed[0].columns == {"id": Kind.INTEGER, "address": Kind.TEXT}


def test_what_rows_are_recognised_by_stays_whole() -> None:
    keyed = Table("people", {"id": Kind.JSON, "at": Kind.JSON}, key=("id",), cursor_field="at", newest_by=("v", "w"))
    tables, batches = flattened(ColumnRules(flatten=1), keyed, rows({"id": {"a": 1}, "at": {"b": 2}, "v": {"w": 3}}))
    assert tables[0].columns == {"id": Kind.JSON, "at": Kind.JSON}
    assert batches[0][0]["id"] == {"a": 1}
    path = Table("people", {"id": Kind.INTEGER, "v": Kind.JSON}, key=("id",), newest_by=("v", "w", "x"))
    ((table,), _) = flattened(ColumnRules(flatten=1), path)
    assert table.newest_by == ("v_w", "x")
    assert table.columns == {"id": Kind.INTEGER, "v_w": Kind.JSON}


def test_columns_of_values_are_taken_apart_too() -> None:
    batch = Columns({"id": pa.array([1, 2]), "extra": [{"a": 1}, None]})
    tables, batches = flattened(ColumnRules(flatten=1), PEOPLE, Rows("people", batch, 1))
    assert batches == [[{"id": 1, "extra_a": 1}, {"id": 2, "extra": None, "extra_a": None}]]
    assert tables[-1].inferred == {"extra_a"}
    plain = Columns({"id": pa.array([1]), "tags": [[1]]})
    tables, batches = flattened(ColumnRules(flatten=1), PEOPLE, Rows("people", plain, 1))
    assert batches[0].values == plain.values
    assert tables[-1].inferred == {"tags"}


def test_two_values_with_one_name_are_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError) as refused:
        flattened(ColumnRules(flatten=1), PEOPLE, rows({"id": 1, "extra_a": 1, "extra": {"a": 2}}))
    assert str(refused.value) == (
        "source 's', collection 'people': 'extra_a' and 'extra.a' of table 'people' would both become 'extra_a': "
        "rename one of the fields with 'columns.rename', leave it out, or set a smaller 'flatten'"
    )


def loaded(rules: ColumnRules | None) -> Sink:
    standing = Standing("people", "people", tables=("people",), columns=rules)
    return Sink("d", None, Position(bookmark="1", loaded=True, standing=standing))


def test_appended_rows_that_would_not_be_recognised_any_more_are_refused() -> None:
    table = Table("people", {"id": Kind.INTEGER, "extra": Kind.JSON}, cursor_field="id")
    told = "'flatten' is 1 and was 0, so rows of table 'people' that are there would not be recognised by 'extra'"
    with pytest.raises(ConfigurationError, match=told):
        flattened(ColumnRules(flatten=1), table, sinks=(loaded(None),))
    with pytest.raises(ConfigurationError, match="'flatten' is 0 and was 2"):
        flattened(ColumnRules(), table, sinks=(loaded(ColumnRules(flatten=2)),))
    assert flattened(ColumnRules(flatten=1), PEOPLE, sinks=(loaded(None),), mode=WriteMode.UPSERT)
