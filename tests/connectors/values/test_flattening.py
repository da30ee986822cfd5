"""Objects taken apart."""

from __future__ import annotations

from typing import Any

import pytest

from app.connectors.values.flattening import Leaves, NameTakenError


@pytest.mark.parametrize(
    ("depth", "flat"),
    [
        (1, {"id": 1, "a_b": {"c": {"d": 2}}, "a_e": [{"f": 3}], "g": None}),
        (2, {"id": 1, "a_b_c": {"d": 2}, "a_e": [{"f": 3}], "g": None}),
        (3, {"id": 1, "a_b_c_d": 2, "a_e": [{"f": 3}], "g": None}),
        (None, {"id": 1, "a_b_c_d": 2, "a_e": [{"f": 3}], "g": None}),
    ],
)
def test_objects_become_fields_down_to_a_depth(depth: int | None, flat: dict[str, Any]) -> None:
    record = {"id": 1, "a": {"b": {"c": {"d": 2}}, "e": [{"f": 3}]}, "g": None}
    assert Leaves(depth=depth).flatten(record) == flat
    assert record["a"] == {"b": {"c": {"d": 2}}, "e": [{"f": 3}]}, "other destinations may have the record"


def test_what_an_object_lacks_is_null() -> None:
    leaves = Leaves()
    assert leaves.flatten({"a": {"b": 1, "c": {"d": 2}}}) == {"a_b": 1, "a_c_d": 2}
    assert leaves.flatten({"a": {"b": 3}}) == {"a_b": 3, "a_c_d": None}
    assert leaves.flatten({"a": {}}) == {"a_b": None, "a_c_d": None}
    assert leaves.flatten({"a": None}) == {"a": None, "a_b": None, "a_c_d": None}
    assert leaves.flatten({"a": "text"}) == {"a": "text", "a_b": None, "a_c_d": None}
    assert leaves.flatten({"a": {"b": 4}}) == {"a_b": 4, "a_c_d": None, "a": None}
    assert leaves.flatten({"other": 1}) == {"other": 1}, "a record without the object says nothing about it"


def test_a_field_whose_name_only_begins_like_an_object_s_is_not_the_object_s() -> None:
    leaves = Leaves()
    assert leaves.flatten({"a_own": 5, "a": {"b": 2}}) == {"a_own": 5, "a_b": 2}
    assert leaves.flatten({"a": {}}) == {"a_b": None}
    assert leaves.flatten({"a": None}) == {"a": None, "a_b": None}


def test_two_values_with_one_name_are_refused() -> None:
    with pytest.raises(NameTakenError) as taken:
        Leaves().flatten({"a_b": 1, "a": {"b": 2}})
    assert taken.value.name == "a_b"
    assert taken.value.paths == ["a_b", "a.b"]


def test_some_fields_stay_whole() -> None:
    assert Leaves(whole=frozenset({"a"})).flatten({"a": {"b": 1}, "c": {"d": 2}}) == {"a": {"b": 1}, "c_d": 2}
