"""How long a task may wait for its source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.execution.outcome import Result
from app.execution.postponed import postponed

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_longer_wait_than_allowed_is_a_failure_that_says_from_when_to_when() -> None:
    found = postponed("no quota", timedelta(hours=20), now=NOW, since=NOW - timedelta(hours=5), longest=DAY)
    assert (found.result, found.retryable) == (Result.FAILED, False)
    assert found.error == (
        "no quota. It would have to wait from 2026-12-01 07:00:00Z to 2026-12-02 08:00:00Z, longer than 'max_delay' "
        "(1d) allows: request the task again then, or raise 'max_delay'"
    )


@pytest.mark.parametrize("delay", [timedelta(days=-3), timedelta()])
def test_a_time_that_is_over_is_no_reason_to_try_without_a_pause(delay: timedelta) -> None:
    assert postponed("no quota", delay, now=NOW, since=NOW, longest=DAY).delay == timedelta(seconds=1)


@given(
    delay=st.timedeltas(timedelta(days=-1), timedelta(days=30_000)),
    waited=st.timedeltas(timedelta(), timedelta(days=3)),
    longest=st.timedeltas(timedelta(), timedelta(days=3)),
)
def test_no_task_waits_longer_than_it_may(delay: timedelta, waited: timedelta, longest: timedelta) -> None:
    found = postponed("no quota", delay, now=NOW, since=NOW - waited, longest=longest)
    if found.result is Result.HANDED_BACK:
        assert waited + found.delay <= longest
        assert (found.postponed_since, found.reason) == (NOW - waited, "no quota")
    else:
        assert waited + max(delay, timedelta(seconds=1)) > longest
