"""How a collection is, in a word and a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.condition import RANKS, Condition, Facts, condition_of, describe
from app.domain.task import Status

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


FAILED = Facts(
    last_status=Status.FAILED,
    last_failure_at=ago(minutes=3),
    last_success_at=ago(hours=2),
    last_error="no such table",
    consecutive_failures=4,
)


@pytest.mark.parametrize(
    ("facts", "condition", "words"),
    [
        (Facts(), "new", "has never run"),
        (Facts(last_status=Status.SUCCESS, last_success_at=ago(hours=2)), "fine", "last success 2 h ago"),
        (FAILED, "failing", "failed 3 min ago, 4 in a row: no such table; last success 2 h ago"),
        (
            Facts(last_status=Status.FAILED, last_failure_at=ago(seconds=30), consecutive_failures=1),
            "failing",
            "failed 30 s ago",
        ),
        (
            Facts(last_status=Status.RUNNING, started_at=ago(seconds=40), records_read=12_400, percent=62.4),
            "running",
            "running for 40 s, 12,400 rows read, 62 %",
        ),
        (
            Facts(last_status=Status.RUNNING, last_failure_at=ago(hours=1), consecutive_failures=2),
            "failing",
            "running; failed 1 h ago, 2 in a row",
        ),
        (Facts(last_status=Status.SCHEDULED), "waiting", "waits for a worker"),
        (
            Facts(last_status=Status.SCHEDULED, paused_since=ago(minutes=5), paused_by="ops", pause_note="month end"),
            "paused",
            "paused by ops 5 min ago: month end",
        ),
        (
            Facts(last_status=Status.SUCCESS, paused_since=ago(hours=1), paused_until=NOW + timedelta(hours=3)),
            "paused",
            "paused 1 h ago, ends in 3 h",
        ),
        (
            Facts(last_status=Status.RUNNING, paused_since=ago(minutes=5), started_at=ago(minutes=6)),
            "running",
            "running for 6 min",
        ),
        (Facts(last_status=Status.CANCELED, last_success_at=ago(days=1)), "canceled", "last success 1 d ago"),
    ],
)
def test_a_collection_is_described_by_what_matters_most(facts: Facts, condition: str, words: str) -> None:
    assert (condition_of(facts).value, describe(facts, NOW)) == (condition, words)


def test_those_that_need_somebody_come_first() -> None:
    assert min(RANKS, key=lambda condition: RANKS[condition]) is Condition.FAILING
    assert max(RANKS, key=lambda condition: RANKS[condition]) is Condition.FINE
