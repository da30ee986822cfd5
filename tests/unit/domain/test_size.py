"""Sizes in the catalogue, and how a limit that was exceeded is told."""

from __future__ import annotations

import pytest

from app.domain.collection import Collection
from app.domain.size import format_sizes, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("500MB", 500 * 10**6), ("1.5 gib", 3 * 2**29), (" 64 MiB ", 64 * 2**20), ("1 MB", 10**6)],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert Collection.model_validate({"name": "c", "max_memory": text}).max_memory == size


@pytest.mark.parametrize("text", ["2", "2 G", "0.5 MB", "two GB", "-1 GB", "1e3 MB", "2000000000", ""])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size of at least 1 MB, such as 500 MB or 2 GB"):
        parse_size(text)


def test_none_is_no_limit() -> None:
    assert Collection.model_validate({"name": "c", "max_memory": "none"}).max_memory is None


@pytest.mark.parametrize(
    ("used", "limit", "told"),
    [
        (2_080_000_000, 2 * 10**9, "2.1 of 2 GB"),
        (2_000_000_001, 2 * 10**9, "2.1 of 2 GB"),
        (3 * 2**30, 2 * 2**30, "3.3 of 2.14748 GB"),
        (160_040_000, 150 * 10**6, "160.1 of 150 MB"),
    ],
)
def test_what_was_used_is_always_more_than_the_limit(used: int, limit: int, told: str) -> None:
    assert format_sizes(used, limit) == told
