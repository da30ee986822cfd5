"""Spans of time in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.elapsed import ago_in_words, span_in_words

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min"),
        (599, "9 min"),
        (3599.6, "1 h"),
        (7800, "2 h 10 min"),
        (36_000, "10 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (277_200, "3 d 5 h"),
        (10 * 86_400 + 7200, "10 d"),
    ],
)
def test_a_span_is_as_exact_as_a_reader_needs(seconds: float, words: str) -> None:
    assert span_in_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (-0.5, "just now"), (0.5, "now"), (-180, "3 min ago"), (4, "in 4.0 s"), (7800, "in 2 h 10 min")],
)
def test_a_moment_is_told_from_now(seconds: float, words: str) -> None:
    assert ago_in_words(NOW + timedelta(seconds=seconds), NOW) == words
