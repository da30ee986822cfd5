"""What is different between two JSON documents."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.json_changes import ABSENT, JsonChange, json_changes

DIFFERENT: list[tuple[Any, Any, list[JsonChange]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "d": 4}}, [
        JsonChange("a.b", 1, 3), JsonChange("a.c", 2, ABSENT), JsonChange("a.d", ABSENT, 4)
    ]),
    ({"a": [1, 2, 3]}, {"a": [1, 5]}, [JsonChange("a[1]", 2, 5), JsonChange("a[2]", 3, ABSENT)]),
    ({"a": None}, {}, [JsonChange("a", None, ABSENT)]),
    ({"a": 1}, {"a": True}, [JsonChange("a", before=1, now=True)]),
    ({"sales.orders": 1}, {"sales.orders": 2}, [JsonChange('"sales.orders"', 1, 2)]),
    ({"a": {"b": 1}}, {"a": [1]}, [JsonChange("a", {"b": 1}, [1])]),
    (5, 6, [JsonChange("", 5, 6)]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "now", "changes"), DIFFERENT)
def test_each_key_that_is_different_is_named_by_its_path(before: Any, now: Any, changes: list[JsonChange]) -> None:
    assert list(json_changes(before, now)) == changes
