"""Failures with the same cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.failures import Failure, cause_of_error, group_failures

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("orders.csv, line 4812, column 6: not a number", "orders.csv, line 12, column 1: not a number"),
        ("timeout after 30.5 s", "timeout after 31 s"),
        ("row 01a22e18-50df-7e1c-ae8c-1f48baa000d2 is locked", "row 01a22e16-c9a1-7fd7-bde8-85072d6823b0 is locked"),
        ("no rate for 2026-11-30T12:00:00Z", "no rate for 2026-12-01T00:00:00+01:00"),
        ("connection to 10.0.0.1:5432 refused", "connection to 10.0.0.22:5433 refused"),
        ("object 0x7fd097985e10 is gone", "object 0x7fd097985e11 is gone"),
        ("commit deadbee1f is unknown", "commit 0badc0ffee is unknown"),
        ("no disk\nTraceback 1", "no disk\nother lines"),
    ],
)
def test_errors_that_differ_in_numbers_times_and_ids_have_one_cause(one: str, other: str) -> None:
    assert cause_of_error(one) == cause_of_error(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no such table: users", "no such table: orders"),
        ("column 'total' cannot hold it", "column 'price' cannot hold it"),
        ("deadbeef", "feedface"),
        ("", "0"),
    ],
)
def test_other_words_are_another_cause(one: str, other: str) -> None:
    assert cause_of_error(one) != cause_of_error(other)


def test_groups_come_by_their_newest_failure_and_have_the_last_one_of_each_collection() -> None:
    failures = [
        Failure(f"t{number}", "s", collection, error, AT - timedelta(minutes=number))
        for number, (collection, error) in enumerate(
            [("a", "no disk 1"), ("b", "denied"), ("a", "no disk 2"), ("c", "no disk 3")]
        )
    ]
    groups = group_failures(failures)
    assert [(group.cause, [each.task_id for each in group.failures]) for group in groups] == [
        ("no disk #", ["t0", "t2", "t3"]),
        ("denied", ["t1"]),
    ]
    assert {name: failure.task_id for name, failure in groups[0].collections.items()} == {
        ("s", "a"): "t0", ("s", "c"): "t3"
    }  # fmt: skip
    assert groups[0].key != groups[1].key
