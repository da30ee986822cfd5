"""Lines out of pieces, however the pieces are cut."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from app.domain.lines import LineSplitter, split_lines
from tests.servers.postgres import ROOT

# A secret is looked for in text that was wrapped at any line break that Python knows.
OTHER_RULE = {ROOT / "app" / "domain" / "redaction.py"}


def test_only_newlines_end_lines() -> None:
    assert split_lines("") == []
    assert split_lines("one\n\ntwo\r\nthree") == ["one", "", "two", "three"]
    assert split_lines("one\n") == ["one"]
    for ordinary in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r":
        assert split_lines(f"one{ordinary}two\n") == [f"one{ordinary}two"]


def test_nothing_splits_lines_by_another_rule() -> None:
    others = {
        path
        for path in (ROOT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "splitlines"
    }
    assert others == OTHER_RULE


@given(pieces=st.lists(st.text("ab\n", max_size=6)))
def test_lines_do_not_depend_on_how_a_text_is_cut(pieces: list[str]) -> None:
    splitter = LineSplitter("\n")
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    assert [*lines, splitter.take()] == "".join(pieces).split("\n")
    assert splitter.length == 0


def test_what_has_begun_is_measured_and_can_be_cut() -> None:
    splitter = LineSplitter(b"\n")
    assert splitter.feed(b"one\ntw") == [b"one"]
    assert splitter.feed(b"o and more") == []
    assert splitter.length == 12
    assert splitter.beginning(3) == b"two"
    splitter.cut(3)
    assert splitter.length == 3
    assert splitter.feed(b"!\nx") == [b"two!"]
    splitter.cut(5)
    assert splitter.take() == b"x"
