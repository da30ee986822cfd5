"""A name that occurs twice in one JSON object: decoders keep the last value, so it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.connectors.values import jsontext
from app.connectors.values.repeats import may_repeat_names, repeated_name
from app.domain.errors import ConfigurationError
from tests.connectors.sources.files.texts import objects_of, refusal_of, rows_of

TEXTS = st.text(st.sampled_from('a":\\ ,{}\u003a'), max_size=4)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(0, 9), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.lists(st.tuples(TEXTS, inner), max_size=3).map(tuple)),
    max_leaves=6,
)


def written(value: Any, space: str) -> tuple[str, bool]:
    """JSON, whose objects are tuples of pairs here, and whether a name occurs twice in one of them."""
    match value:
        case tuple():
            inner = [written(each, space) for _, each in value]
            pairs = [f"{json.dumps(name)}{space}:{text}" for (name, _), (text, _) in zip(value, inner, strict=True)]
            twice = len({name for name, _ in value}) < len(value)
            return "{" + ",".join(pairs) + "}", twice or any(each for _, each in inner)
        case list():
            inner = [written(each, space) for each in value]
            return "[" + ",".join(text for text, _ in inner) + "]", any(each for _, each in inner)
        case _:
            return json.dumps(value), False


@given(VALUES, st.sampled_from(["", " ", "\t"]))
@example((("a", (("b", 1), ("b", 1))),), "")
@example(((":", ":"), (":", ":")), "")
def test_a_repeated_name_is_found_wherever_it_stands(value: Any, space: str) -> None:
    text, twice = written(value, space)
    assert (repeated_name(text) is not None) == twice
    assert may_repeat_names(text, jsontext.decode(text)) == twice


def test_an_escaped_colon_hides_no_name() -> None:
    text = '{"a":1,"a":2,"b":"\\u003a"}'
    assert may_repeat_names(text, jsontext.decode(text))
    assert repeated_name(text) == "a"


def test_objects_with_long_numbers_and_colons_in_text_are_read() -> None:
    line = '{"n": ' + "9" * 4000 + ', "a:b" : ":", "c": {"n": "\\u003a", "d": {"n": 1}}}\n'
    assert len(objects_of(line.encode() * 2)[0].records) == 2


@pytest.mark.parametrize(
    ("line", "column", "name"),
    [
        ('{"id": 1, "a": 1, "a": 2}', 19, "a"),
        ('{"a": 1, "a": 1}', 10, "a"),
        ('{"id": 1, "v": {"b": [{"c": 1, "c" : null}]}}', 32, "c"),
    ],
)
def test_json_lines_with_a_name_twice_are_refused(line: str, column: int, name: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        objects_of(f'{{"id": 0}}\n\n{line}\n'.encode())
    expected = f'a.jsonl, line 3, column {column}: the name "{name}" occurs twice in one object; keep one of its values'
    assert str(refused.value) == expected


def test_a_name_in_two_objects_is_no_repetition() -> None:
    (batch,) = objects_of(b'{"a": {"a": [{"a": 1}, {"a": 2}]}}\n{"a": {}}\n')
    assert len(batch.records) == 2


def test_json_in_csv_is_refused_for_a_name_twice_too() -> None:
    said = refusal_of(b'v\n"{""a"": 1, ""a"": 2}"\n', types={"v": "json"})
    assert said.startswith("a.csv, line 2, column 'v': ")
    assert said.endswith('the name "a" occurs twice in one object')
    assert rows_of(b'v\n"{""a"": "":""}"\n', types={"v": "json"}) == [{"v": {"a": ":"}}]


@pytest.mark.parametrize("value", ["\\ud800", "\\ud83dx", "x\\udbff"])
def test_half_of_a_surrogate_pair_is_called_by_its_name(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"line 1, column \d+: not valid JSON: .*surrogate"):
        objects_of(f'{{"v": "{value}"}}\n'.encode())
