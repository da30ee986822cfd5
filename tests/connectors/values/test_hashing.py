from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from app.connectors.contract.batches import Columns
from app.connectors.values.hashing import hash_of, hash_values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Ada", b"Ada"),
        ("", b""),
        ("Größe", "Größe".encode()),
        ('{"a": 1}', b'{"a": 1}'),
        (b"\xff\x00", b"\xff\x00"),
        (1, b"1"),
        (1.0, b"1"),
        (Decimal("1.50"), b"1.5"),
        (0.1, b"0.1"),
        (float("nan"), b"NaN"),
        (Decimal("-Infinity"), b"-Infinity"),
        (True, b"true"),
        ({"b": [1.0, None], "a": "x"}, b'{"a":"x","b":[1,null]}'),
    ],
)
def test_a_hash_is_of_the_text_of_the_value(value: Any, text: bytes) -> None:
    assert hash_of(value) == hashlib.sha256(text).hexdigest()


def test_null_stays_null() -> None:
    assert hash_of(None) is None


@pytest.mark.parametrize("values", [[1, None], pa.array([1, None]), pa.array([1.0, None]), ["1", None]])
def test_the_shape_of_a_batch_does_not_change_hashes(values: Any) -> None:
    one = hashlib.sha256(b"1").hexdigest()
    columns = Columns({"a": values})
    hash_values(columns, "a")
    assert columns.values == {"a": [one, None]}
    records: list[dict[str, Any]] = [{"a": 1}, {"a": None}, {"b": 1}]
    hash_values(records, "a")
    assert records == [{"a": one}, {"a": None}, {"b": 1}]
