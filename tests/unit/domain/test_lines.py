"""Lines out of pieces, however the pieces are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.lines import LineSplitter


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
