from __future__ import annotations

from typing import Any

import pytest

from app.connectors.contract.json_schema import columns_of, digits_of, kind_of
from app.connectors.contract.schema import Digits, Kind, Table, integer_kind
from app.connectors.warehouse.layout import column_names, quoted, widen
from app.domain.errors import ConfigurationError

DATE_TIME = {"type": "string", "format": "date-time"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": ["null", "integer"]}, Kind.INTEGER),
        ({"type": "integer", "maximum": 2**64}, Kind.BIG_INTEGER),
        ({"type": ["integer", "number"]}, Kind.NUMBER),
        ({"type": "boolean"}, Kind.BOOLEAN),
        (DATE_TIME, Kind.TIMESTAMP),
        ({"anyOf": [DATE_TIME, {"type": "null"}]}, Kind.TIMESTAMP),
        ({"anyOf": [DATE_TIME, {"type": "string"}]}, Kind.TEXT),
        ({"type": "string", "format": "email"}, Kind.TEXT),
        ({"type": ["string", "integer"]}, Kind.JSON),
        ({"type": "object"}, Kind.JSON),
        ({"type": "array", "items": {"type": "integer"}}, Kind.JSON),
        ({"type": "null"}, Kind.JSON),
        ({"type": "invented"}, Kind.JSON),
        ({"type": 5}, Kind.JSON),
        ({"type": {"of": "old"}}, Kind.JSON),
        ({"type": ["string", {"type": "null"}]}, Kind.JSON),
        ({"$ref": "#"}, Kind.JSON),
        ({}, Kind.JSON),
        (True, Kind.JSON),
    ],
)
def test_a_kind_keeps_every_value_that_the_schema_allows(schema: Any, kind: Kind) -> None:
    assert kind_of(schema) is kind


CENTS = {"type": "number", "multipleOf": 0.01}
BOUNDED = CENTS | {"minimum": -10_000, "maximum": 10_000}


@pytest.mark.parametrize(
    ("schema", "digits"),
    [
        (CENTS, Digits(38, 2)),
        (CENTS | {"minimum": -9999.99}, Digits(38, 2)),
        (CENTS | {"minimum": 0, "maximum": 9999.99}, Digits(6, 2)),
        (BOUNDED, Digits(7, 2)),
        (CENTS | {"exclusiveMinimum": -10_000, "exclusiveMaximum": 10_000}, Digits(6, 2)),
        (BOUNDED | {"exclusiveMinimum": True, "exclusiveMaximum": True}, Digits(6, 2)),
        (BOUNDED | {"exclusiveMinimum": True, "exclusiveMaximum": False}, Digits(7, 2)),
        (CENTS | {"type": ["null", "number"], "minimum": -0.5, "maximum": 0.5}, Digits(2, 2)),
        ({"anyOf": [BOUNDED, {"type": "null"}]}, Digits(7, 2)),
        ({"type": "number", "multipleOf": 1}, Digits(38, 0)),
        ({"type": "number", "multipleOf": 10}, Digits(38, 0)),
        ({"type": "number", "multipleOf": 0.25}, Digits(38, 2)),
        ({"type": "number", "multipleOf": 1e-40}, Digits(40, 40)),
        ({"anyOf": [CENTS, BOUNDED]}, None),
        ({"type": "number"}, None),
        ({"type": "number", "multipleOf": 0}, None),
        ({"type": "number", "multipleOf": -0.01}, None),
        ({"type": "number", "multipleOf": True}, None),
        ({"type": "number", "multipleOf": "0.01"}, None),
        ({"type": "integer", "multipleOf": 5}, None),
        ({"type": ["string", "number"], "multipleOf": 0.01}, None),
    ],
)
def test_a_decimal_has_the_digits_of_its_step_and_its_bounds(schema: Any, digits: Digits | None) -> None:
    assert digits_of({"properties": {"price": schema}}).get("price") == digits


@pytest.mark.parametrize("value", [-(2**63), 0, 2**63 - 1])
def test_integers_of_64_bits_are_integers_and_others_big_integers(value: int) -> None:
    assert integer_kind(value) is Kind.INTEGER
    assert integer_kind(value - 2**64) is integer_kind(value + 2**64) is Kind.BIG_INTEGER


def test_a_schema_without_properties_has_no_columns() -> None:
    assert columns_of({}) == columns_of({"properties": None}) == {}


def test_fields_that_would_share_a_column_are_refused() -> None:
    table = Table("t", {"Id": Kind.INTEGER, "id": Kind.INTEGER})
    assert column_names(table, column_name=str, name_key=str) == {"Id": "Id", "id": "id"}
    with pytest.raises(ConfigurationError, match="'Id' and 'id' would both become the column"):
        column_names(table, column_name=str, name_key=str.lower)


def test_a_key_that_is_no_field_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match="unknown primary_key 'uid'; choose from 'id'"):
        column_names(Table("t", {"id": Kind.INTEGER}, key=("uid",)), column_name=str, name_key=str)


@pytest.mark.parametrize("name", ["_syncline_task_id", "_syncline_synced_at", "_SYNCLINE_ROW"])
def test_a_field_named_like_a_column_of_our_own_is_refused_and_not_dropped(name: str) -> None:
    table = Table("t", {"id": Kind.INTEGER, name: Kind.TEXT})
    with pytest.raises(ConfigurationError, match=f"table 't': the field '{name}' has the name of a column"):
        column_names(table, column_name=str, name_key=str.lower)


def test_unannounced_fields_become_json_columns() -> None:
    table = Table("t", {"id": Kind.INTEGER})
    assert widen(table, [{"id": 1}]) is None
    wider = widen(table, [{"id": 1, "b": 2}, {"a": 3}])
    assert wider is not None
    assert wider.columns == {
        "id": Kind.INTEGER,
        "a": Kind.JSON,
        "b": Kind.JSON,
    }


def test_identifiers_cannot_break_out() -> None:
    assert quoted('a"; DROP', "b") == '"a""; DROP"."b"'


@pytest.mark.parametrize(
    ("one", "other", "union"),
    [
        (Digits(10, 2), Digits(8, 2), Digits(10, 2)),
        (Digits(10, 2), Digits(10, 4), Digits(12, 4)),
        (Digits(2, 2), Digits(5, 0), Digits(7, 2)),
    ],
)
def test_the_union_of_digits_holds_the_numbers_of_both(one: Digits, other: Digits, union: Digits) -> None:
    assert one.union(other) == other.union(one) == union
    assert union.holds(one)
    assert union.holds(other)
    assert one.holds(other) is (union == one)
    assert other.holds(one) is (union == other)
