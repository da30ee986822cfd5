"""Lines of text out of bytes, as a log can keep them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.execution.text import LONGEST_TEXT, LineSplitter, fit


@given(st.lists(st.binary(max_size=50)))
def test_lines_do_not_depend_on_how_the_bytes_arrive(chunks: list[bytes]) -> None:
    whole, splitter = LineSplitter(), LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert lines == whole.feed(b"".join(chunks))
    assert splitter.rest() == whole.rest()


def test_a_carriage_return_at_the_end_of_a_line_is_dropped() -> None:
    assert LineSplitter().feed(b"one\r\ntwo\n\n") == ["one", "two", ""]


def test_an_endless_line_keeps_a_bounded_beginning() -> None:
    splitter = LineSplitter()
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    [line] = splitter.feed(b"\n")
    assert LONGEST_TEXT < len(line) <= 2 * LONGEST_TEXT


def test_a_text_that_is_too_long_is_cut_with_a_mark() -> None:
    text = fit("é" * LONGEST_TEXT)
    assert len(text.encode()) <= LONGEST_TEXT
    assert text.endswith("é… [cut: longer than 16384 bytes]")


def test_a_text_of_the_greatest_length_stays_whole() -> None:
    assert fit("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT


@given(st.text(st.characters(codec=None)))
def test_every_text_becomes_one_that_postgresql_can_keep(text: str) -> None:
    kept = fit(text)
    kept.encode()
    assert "\0" not in kept
