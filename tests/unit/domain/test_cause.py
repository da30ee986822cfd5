"""Who caused an event, and the notes that may go with it."""

from __future__ import annotations

import re

import pytest

from app.domain.cause import LONGEST_NOTE, NO_CAUSE, NOTE_PATTERN, Actor, Cause, read_note
from app.domain.claim import NewTask
from tests.harness import a_task

ALICE = Actor("token", "alice")


@pytest.mark.parametrize(
    ("cause", "data"),
    [
        (NO_CAUSE, {}),
        (Cause(ALICE), {"who": {"kind": "token", "name": "alice"}}),
        (Cause(note="why"), {"note": "why"}),
        (Cause(ALICE, "why"), {"who": {"kind": "token", "name": "alice"}, "note": "why"}),
    ],
)
def test_an_event_says_what_is_known_of_its_cause(cause: Cause, data: dict[str, object]) -> None:
    assert cause.data == data
    assert Cause.of(data | {"source_type": "sql"}) == cause


def test_a_request_that_waits_keeps_its_cause() -> None:
    new = a_task(cause=Cause(ALICE, "why"))
    assert NewTask.requested("s", "c", new.request) == new
    # As releases before have written it.
    assert NewTask.requested("s", "c", a_task().request).cause == NO_CAUSE


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("the shop sent wrong prices", "the shop sent wrong prices"),
        ("first\nsecond\r\nthird\rfourth", "first\nsecond\nthird\nfourth"),
        ("Données corrigées\u00a0: voilà 👩\u200d💻", "Données corrigées\u00a0: voilà 👩\u200d💻"),
        ("é" * LONGEST_NOTE, "é" * LONGEST_NOTE),
    ],
)
def test_a_note_is_text_with_line_breaks(text: str, note: str) -> None:
    assert read_note(text) == note


@pytest.mark.parametrize("text", ["\0", "a\tb", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ud800"])
def test_a_note_has_no_control_characters(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_note(text)


def test_a_note_is_not_long() -> None:
    with pytest.raises(ValueError, match="not a note"):
        read_note("x" * (LONGEST_NOTE + 1))


def test_the_documents_pattern_is_for_the_whole_note() -> None:
    assert re.search(NOTE_PATTERN, "one\ntwo")
    assert not re.search(NOTE_PATTERN, "one\n\0two")
