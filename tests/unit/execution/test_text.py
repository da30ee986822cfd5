"""Lines of text out of bytes, as a log can keep them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.redaction import Redactor
from app.execution.text import LONGEST_TEXT, TextLines, clean, clean_all


@given(st.lists(st.binary(max_size=50)))
def test_lines_do_not_depend_on_how_the_bytes_arrive(chunks: list[bytes]) -> None:
    whole, splitter = TextLines(), TextLines()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert lines == whole.feed(b"".join(chunks))
    assert splitter.rest() == whole.rest()


def test_a_carriage_return_at_the_end_of_a_line_is_dropped() -> None:
    assert TextLines().feed(b"one\r\ntwo\n\n") == ["one", "two", ""]


def test_an_endless_line_keeps_a_bounded_beginning() -> None:
    splitter = TextLines()
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    [line] = splitter.feed(b"\n")
    assert LONGEST_TEXT < len(line) <= 2 * LONGEST_TEXT


def test_a_text_that_is_too_long_is_cut_with_a_mark() -> None:
    text = clean("é" * LONGEST_TEXT, str)
    assert len(text.encode()) <= LONGEST_TEXT
    assert text.endswith("é… [cut: longer than 16384 bytes]")


def test_a_text_of_the_greatest_length_stays_whole() -> None:
    assert clean("x" * LONGEST_TEXT, str) == "x" * LONGEST_TEXT


@given(st.text(st.characters(codec=None)))
def test_every_text_becomes_one_that_postgresql_can_keep(text: str) -> None:
    kept = clean(text, str)
    kept.encode()
    assert "\0" not in kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\x1b[31mred\x1b[0m and \x1b[1;38:5:208mbold\x1b[m", "red and bold"),
        ("a\x1b]0;pwned\x07b", r"a\x1b]0;pwned\x07b"),
        ("\x1b[2J\x9b2J", r"\x1b[2J\x9b2J"),
        ("10%\r20%\x08\x7f", r"10%\r20%\x08\x7f"),
        ("gpj.\u202eexe\u2066", r"gpj.\u202eexe\u2066"),
        ("two\nlines\tand é 𝄞 \u200d", "two\nlines\tand é 𝄞 \u200d"),
    ],
)
def test_a_terminal_is_not_commanded_by_a_text(text: str, kept: str) -> None:
    assert clean(text, str) == kept
    assert clean_all([text, "plain"], str) == [kept, "plain"]


def test_a_secret_with_a_colour_in_it_is_found() -> None:
    assert clean("swo\x1b[31mrdfish", Redactor(["swordfish"]).redact) == "***"


_SECRETS = st.sampled_from(["hunter2", "swordfish", "sword\0fish"])
_TEXTS = st.lists(
    _SECRETS | st.sampled_from(["sword", "fish", "\0", "\ud800", "\x1b[1m", "\x9b", "\t"]) | st.text(max_size=5),
    max_size=4,
).map("".join)


@given(st.lists(_TEXTS, max_size=6), st.lists(_SECRETS))
def test_texts_that_come_together_become_what_each_of_them_becomes_alone(texts: list[str], secrets: list[str]) -> None:
    redact = Redactor(secrets).redact
    assert clean_all(texts, redact) == [clean(text, redact) for text in texts]


def test_one_of_several_texts_that_is_too_long_is_cut() -> None:
    whole, cut, last = clean_all(["a", "x" * (LONGEST_TEXT + 1), "b"], str)
    assert (whole, last) == ("a", "b")
    assert len(cut.encode()) <= LONGEST_TEXT


def test_a_secret_is_not_found_across_two_texts() -> None:
    assert clean_all(["sword", "fish"], Redactor(["sword\0fish"]).redact) == ["sword", "fish"]


def test_plain_texts_are_cleaned_in_one_pass() -> None:
    passes = []

    def redact(text: str) -> str:
        passes.append(text)
        return text.replace("hunter2", "***")

    assert clean_all(["the first", "is hunter2", ""], redact) == ["the first", "is ***", ""]
    assert len(passes) == 1
