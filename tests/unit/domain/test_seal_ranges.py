"""A chain may be whole, and still have seals that Syncline would never make."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.seal import Seal
from app.domain.seal_ranges import find_wrong_ranges

FIRST = date(2026, 11, 2)
WEEK = timedelta(days=7)
HORIZON = FIRST + 4 * WEEK


def _seal(number: int, first: int, weeks: int = 1, *, replaces: tuple[int, ...] = (), size: int = 3) -> Seal:
    begin = FIRST + first * WEEK
    return Seal(
        number,
        begin,
        begin + weeks * WEEK,
        size,
        size,
        bytes(32),
        replaces,
        archived=False,
        sealed_at=datetime(2026, 12, 1, tzinfo=UTC),
        previous=b"",
        seal=b"",
    )


WEEKS = [_seal(1, 0), _seal(2, 1), _seal(3, 3)]


def _found(*seals: Seal) -> list[tuple[int, str]]:
    return list(find_wrong_ranges([*WEEKS, *seals], HORIZON))


def test_weeks_in_whatever_order_and_what_retention_makes_of_them_are_right() -> None:
    assert _found(_seal(4, 4), _seal(5, 2)) == []
    kept = _seal(4, 0, 4, replaces=(1, 2, 3), size=9)
    assert _found(kept, _seal(5, 0, 4, replaces=(4,), size=0)) == []
    assert _found(_seal(4, 0, 2, replaces=(1, 2))) == []


@pytest.mark.parametrize(
    ("seal", "why"),
    [
        (_seal(4, -1900, replaces=(2,), size=0), "and not about the weeks of the seals that it replaces"),
        (_seal(4, 0, 2, replaces=(2,)), "and not about the weeks of the seals that it replaces"),
        (_seal(4, 0, 4, replaces=(1, 3)), "a part of which seal 2 is about"),
        (_seal(4, 0, replaces=(9,)), "replaces seal 9, which is not before it"),
        (_seal(4, 0, replaces=(4,)), "replaces seal 4, which is not before it"),
        (_seal(4, 0, replaces=(1, 1)), "replaces a seal twice"),
        (_seal(4, 0, replaces=(1,), size=4), "has more than the seals that it replaces, and retention adds nothing"),
        (_seal(4, 1), "is about the week 2026-11-09, which seal 2 was about before"),
        (_seal(4, 4, 2), "is about 2026-11-30 to 2026-12-14, which is not a week"),
        (_seal(4, 4)._replace(week=FIRST + 4 * WEEK + timedelta(1)), "which is not a week"),
    ],
)
def test_what_syncline_would_never_seal_is_wrong(seal: Seal, why: str) -> None:
    [(number, found)] = _found(seal)
    assert number == seal.number
    assert why in found


def test_what_was_replaced_cannot_be_replaced_again_nor_come_back() -> None:
    kept = _seal(4, 0, 2, replaces=(1, 2))
    assert _found(kept, _seal(5, 0, replaces=(1,))) == [(5, "replaces seal 1, which does not count any more")]
    assert _found(kept, _seal(5, 1)) == [(5, "is about the week 2026-11-09, which seal 2 was about before")]


def test_retention_replaces_only_what_it_may_have_removed() -> None:
    [(number, why)] = find_wrong_ranges([*WEEKS, _seal(4, 3, replaces=(3,))], HORIZON - timedelta(days=1))
    assert (number, why) == (4, "is about 2026-11-23 to 2026-11-30, of which retention has not removed anything")


def test_a_wrong_seal_takes_the_place_of_none() -> None:
    wrong = _seal(4, 0, replaces=(2,))
    assert [number for number, _ in _found(wrong, _seal(5, 0, 4, replaces=(1, 2, 3)))] == [4]
