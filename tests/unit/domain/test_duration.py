from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.domain.duration import LONGEST_DURATION, format_duration, parse_duration
from app.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("1.5h", timedelta(minutes=90)),
        ("0.25s", timedelta(milliseconds=250)),
        ("0s", timedelta()),
        (" 5m ", timedelta(minutes=5)),
        ("36500d", LONGEST_DURATION),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "m",
        "90 m",
        "30m1h",
        "1h1h",
        "-5m",
        "+5m",
        "5M",
        "1w",
        "500ms",
        "1e3s",
        ".5h",
        "5.h",
        "٣m",
        "5m\n1s",
    ],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"duration {text!r} is not valid")) as caught:
        parse_duration(text)
    assert "45s, 90m, 1h30m, 24h or 7d" in str(caught.value)


@pytest.mark.parametrize("text", ["36501d", "999999999999d", "9" * 400 + "s", "36500d1s"])
def test_a_duration_beyond_all_use_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="too long; use at most 36500d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "1s", "1.5s", "1m30s", "2d", "1d12h", "1h0.25s", "36500d"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


def test_a_duration_is_written_in_the_largest_units() -> None:
    assert format_duration(parse_duration("48h")) == "2d"
    assert format_duration(parse_duration("90m")) == "1h30m"
