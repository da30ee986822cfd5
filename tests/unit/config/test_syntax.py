"""A text that is not YAML is answered with the line of the mistake and what to write instead."""

from __future__ import annotations

import pytest

from app.config.documents import parse_document
from app.config.problems import CatalogueError

QUOTES = "put the value in quotes"
TAB = "a tab is used for indentation; use spaces"
COLON = "a space is missing after the colon; write key: value"
TEXT_AFTER_QUOTE = "there is text after a closing quote; put the whole value in quotes"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: @x", 1, f"a value cannot begin with '@'; {QUOTES}"),
        ("a: `x", 1, f"a value cannot begin with '`'; {QUOTES}"),
        ("a: %x", 1, f"a value cannot begin with '%'; {QUOTES}"),
        ("b: 1\na: */5 * * * *", 2, f"a value cannot begin with '*'; {QUOTES}"),
        ("a: & b", 1, f"a value cannot begin with '&'; {QUOTES}"),
        ("a: !<x y", 1, f"a value cannot begin with '!'; {QUOTES}"),
        ("a: ,b", 1, f"a value cannot begin with ','; {QUOTES}"),
        ("%x", 1, "a line cannot begin with '%'; indent it, and put the value in quotes"),
        ("a:\n\tb: 1", 2, TAB),
        ("a:\n  b: 1\n\tc: 1", 3, TAB),
        ("a: 1\r\n\tb: 2\r\n", 2, TAB),
        ("b: 1\na: 'x\nc: 1\n", 2, "the quote ' that opens on this line is never closed"),
        ('a: "x\nb: 1\n\n', 1, 'the quote " that opens on this line is never closed'),
        ("a: 'x\nb: 'y'", 1, "the quote ' that opens on this line is closed only on line 2; is one missing?"),
        ("a: 'it's'", 1, TEXT_AFTER_QUOTE),
        ("a: 'b' c", 1, TEXT_AFTER_QUOTE),
        ('a: "C:\\dir"', 1, "unknown escape after '\\' in double quotes; write '\\\\', or use single quotes"),
        ("s:\n  p:1\n  t: x", 2, COLON),
        ("s: {}\np:{}\n", 2, COLON),
        ("s:\n  p:1\n\n  # a comment\n  t: x", 2, COLON),
        ("s:\n  a: 1\n  p:1\nb: 1", 3, COLON),
        ("s:\n  a: 1\n  word\nb: 1", 3, "there is no colon on this line; write key: value"),
        ("a: b: c", 1, f"a value cannot contain ': '; {QUOTES}, or begin a mapping on the next line"),
        ("s:\n  p: 1\n   a: x", 3, "a key cannot stand here, below the value on line 2; check the indentation"),
        ("s:\n   p: 1\n  a: x", 3, "the indentation is wrong: keys of one mapping must begin in the same column"),
        ("s:\n  - a\n  b: 1", 3, "this is not an item of the list that begins on line 2; write '- ' first"),
        ("s: [a, b\nt: 1", 1, "'[' is not closed by ']', or a comma is missing before line 2"),
        ("s: {a: 1\n", 1, "the '{' on this line is never closed; add '}'"),
        ("s:\n  {a: x, b: ${env.B}, c: 1}", 2, "a placeholder between '{' and '}' must be in quotes: '${…}'"),
        ("s:\n  [a, ${env.B}]", 2, "a placeholder between '[' and ']' must be in quotes: '${…}'"),
        ('{"a": 1 "b": 2}', 1, "'{' is not closed by '}', or a comma is missing"),
        ("s: [a]]", 1, f"']' closes nothing; remove it, or {QUOTES}"),
        ("a: - b", 1, f"'-' cannot stand here; begin each item of a list on a line of its own, or {QUOTES}"),
        ("a: |x", 1, f"a text after '|' or '>' begins on the next line; if it is meant as a value, {QUOTES}"),
        ("b: 1\na: x\x01y", 2, "the character U+0001 is not allowed; remove it"),
        ("b: 1\r\na: x\ufffey", 2, "the character U+FFFE is not allowed; remove it"),
    ],
)
def test_the_usual_mistakes_are_explained(text: str, line: int, message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse_document(text, "syncline.yaml")
    assert str(caught.value) == f"syncline.yaml:{line}: not valid YAML: {message}"
