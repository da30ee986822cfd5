"""Texts of Go, and the hashes that Jitsu Classic makes of them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from app.connectors.values import jsontext
from app.connectors.values.go_text import hash_of_fields, json_text, sprint


@pytest.mark.parametrize(
    ("json", "text"),
    [
        ("null", "<nil>"),
        ("true", "true"),
        ("false", "false"),
        ("0", "0"),
        ("-12345678901234567890123", "-12345678901234567890123"),
        ("1.0", "1.0"),
        ("1.50", "1.50"),
        ("1e-05", "1e-05"),
        ("1e+16", "1e+16"),
        ("1.5e-07", "1.5e-07"),
        ("0.0001", "0.0001"),
        ("100.0", "100.0"),
        ('"a b"', "a b"),
        ('""', ""),
        ('["a", 1, null, {"b": true}]', "[a 1 <nil> map[b:true]]"),
        ('{"b": 1.50, "a": {"z": [], "y": ""}}', "map[a:map[y: z:[]] b:1.50]"),
        ("{}", "map[]"),
    ],
)
def test_a_value_from_json_as_go_prints_it(json: str, text: str) -> None:
    assert sprint(jsontext.decode(json.encode())) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", 1, None], '["a",1,null]'),
        ([{"b": 1, "a": [True]}], '[{"a":[true],"b":1}]'),
        (["<a & b>"], '["\\u003ca \\u0026 b\\u003e"]'),
        (["é\u2028\u2029"], '["é\\u2028\\u2029"]'),
        ([jsontext.fraction("1.50")], "[1.50]"),
        ([], "[]"),
    ],
)
def test_an_array_as_go_writes_it(value: Any, text: str) -> None:
    assert json_text(value) == text


def test_a_hash_is_that_of_the_texts_in_the_order_of_their_names() -> None:
    record = {"b": 2, "a": "x", "C": None}
    assert hash_of_fields(record, ["b", "a"]) == hashlib.md5(b"x|2|", usedforsecurity=False).hexdigest()
    assert hash_of_fields(record, record) == hashlib.md5(b"<nil>|x|2|", usedforsecurity=False).hexdigest()
    assert hash_of_fields(record, ["missing"]) == hashlib.md5(b"<nil>|", usedforsecurity=False).hexdigest()
