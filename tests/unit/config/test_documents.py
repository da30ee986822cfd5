"""Texts become values with lines, and what is ambiguous is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.documents import parse_document
from app.config.problems import CatalogueError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def refusal(text: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        parse_document(text, "syncline.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("2020-06-01", "2020-06-01"),
        ("12:30", "12:30"),
        ("0123", 123),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("'8001'", "8001"),
        ("!!str 8001", "8001"),
        ("! 8001", "8001"),
        ("1e999", "1e999"),
        (".nan", ".nan"),
        ("1.44.8", "1.44.8"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_plain_scalar_is_what_the_core_schema_says(text: str, value: Any) -> None:
    assert parse_document(f"key: {text}", "f").value == {"key": value}


def test_keys_are_texts_always() -> None:
    assert parse_document("1: a\ntrue: b\n~: c", "f").value == {"1": "a", "true": "b", "~": "c"}


def test_a_place_is_the_line_of_the_key_or_of_the_nearest_one_above() -> None:
    document = parse_document("a:\n  b:\n    - c: 1\n    - d: 2\n", "syncline.yaml")
    assert document.place(("a", "b", 1, "d")) == "syncline.yaml:4"
    assert document.place(("a", "b", 1, "missing")) == "syncline.yaml:4"
    assert document.place(("a", "missing")) == "syncline.yaml:1"
    assert document.place(("missing",)) == "syncline.yaml"


def test_anchors_and_merges_are_understood_and_own_keys_win() -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: {b: 4, <<: [*base]}"
    assert parse_document(text, "f").value == {
        "base": {"a": 1, "b": 2},
        "one": {"b": 3, "a": 1},
        "two": {"b": 4, "a": 1},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "syncline.yaml: is empty"),
        ("  \n", "syncline.yaml: is empty"),
        ("# only a comment", "syncline.yaml: is empty"),
        ("a: 1\nb: 2\na: 3", "syncline.yaml:3: key 'a' is already on line 1; remove or rename one of them"),
        ('{"a": 1,\n "a": 2}', "syncline.yaml:2: key 'a' is already on line 1; remove or rename one of them"),
        ("a: 1\n---\nb: 2", "syncline.yaml:2: a second document starts here; a file must hold one document"),
        ("a: *hunter22", "syncline.yaml:1: '*' refers to no anchor; put a value that begins with '*' in quotes"),
        ("a: &x [*x]", "syncline.yaml:1: '*' refers to no anchor; put a value that begins with '*' in quotes"),
        ("\na: !hunter22", "syncline.yaml:2: tags are not supported; put a value that begins with '!' in quotes"),
        (
            "a: !!python/name:os.system",
            "syncline.yaml:1: tags are not supported; put a value that begins with '!' in quotes",
        ),
        ("? [a]\n: b", "syncline.yaml:1: a key must be a string"),
        ("a: {<<: 1}", "syncline.yaml:1: '<<' merges mappings only"),
        ("b: 1\na: \x00", "syncline.yaml:2: not valid YAML: the character U+0000 is not allowed; remove it"),
        ("a: \ud800", "syncline.yaml:1: not valid YAML: the character U+D800 is not allowed; remove it"),
    ],
)
def test_what_is_not_clear_is_refused_in_one_line_with_its_place(text: str, message: str) -> None:
    assert refusal(text) == message


def test_nesting_has_a_limit() -> None:
    assert refusal('{"a": ' * 500 + "1" + "}" * 500) == "syncline.yaml:1: is nested deeper than 64 levels"
    assert refusal("[" * 100_000) == "syncline.yaml:1: is nested deeper than 64 levels"


def test_nesting_has_a_limit_through_aliases_too() -> None:
    deep = "[" * 40 + "1" + "]" * 40
    assert refusal(f"a: &a {deep}\nb: &b [*a]\nc:\n  {'[' * 30}*b{']' * 30}") == (
        "syncline.yaml:4: is nested deeper than 64 levels"
    )
    links = "\n".join(f"a{link}: &a{link} {{<<: {{x: *a{link - 1}}}}}" for link in range(1, 70))
    assert "is nested deeper than 64 levels" in refusal(f"a0: &a0 {{}}\n{links}")


@pytest.mark.parametrize("form", ["*a{}", "[*a{}]"])
def test_a_long_chain_of_merges_is_not_deep(form: str) -> None:
    links = "\n".join(f"a{link}: &a{link} {{<<: {form.format(link - 1)}, x: [1]}}" for link in range(1, 300))
    assert parse_document(f"a0: &a0 {{y: [1]}}\n{links}", "f").value["a299"] == {"x": [1], "y": [1]}


def test_an_alias_is_as_deep_as_what_it_stands_for_and_no_deeper() -> None:
    deep = "[" * 30 + "1" + "]" * 30
    # The depth of the first anchor's neighbour must not be counted for the second.
    text = f"a: [{deep}, &b 1]\nc: &c {deep}\nd: {'[' * 30}*b, *c{']' * 30}"
    assert parse_document(text, "f").value["a"][1] == 1


def test_aliases_of_a_long_text_are_refused() -> None:
    aliases = ", ".join(["*a"] * 70)
    assert refusal(f"a: &a {'x' * 1024**2}\nb:\n  [{aliases}]") == (
        "syncline.yaml:3: aliases expand to more than 67,108,864 characters"
    )


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    assert "aliases expand to more than 1,000,000 values" in refusal("\n".join(lines))


@given(st.dictionaries(st.text(), JSON_VALUES, min_size=1))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    assert parse_document(json.dumps(value), "f").value == value


def test_numbers_that_json_does_not_have_are_texts() -> None:
    assert parse_document('{"a": NaN}', "f").value == {"a": "NaN"}
    assert parse_document('{"a": 1e999, "b": -1e400}', "f").value == {"a": "1e999", "b": "-1e400"}
    assert parse_document(f'{{"a": {"9" * 4000}}}', "f").value == {"a": "9" * 4000}


@given(st.text())
def test_any_text_is_a_value_or_a_refusal(text: str) -> None:
    assert "\n" not in outcome(text)


def outcome(text: str) -> str:
    try:
        return type(parse_document(text, "f").value).__name__
    except CatalogueError as error:
        return str(error)
