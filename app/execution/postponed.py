"""Attempts whose source cannot be read yet. They are handed back until it can, and do not count as failures.

What counts against `max_delay` is the time in which a task does nothing but wait: an attempt that has committed rows
before it is postponed starts it again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.domain.duration import format_duration
from app.domain.timestamp import utc_in_words
from app.execution.outcome import Outcome, Result

if TYPE_CHECKING:
    from datetime import datetime

# For times that are over: a source that names one again and again must not keep a worker busy.
_SHORTEST: Final = timedelta(seconds=1)


def postponed(reason: str, delay: timedelta, *, now: datetime, since: datetime, longest: timedelta) -> Outcome:
    """Decide about an attempt that is to be repeated after `delay`.

    `since` is when the task began to do nothing but wait; it may do so for `longest`.
    """
    delay = max(delay, _SHORTEST)
    until = now + delay
    if until - since > longest:
        return Outcome(
            Result.FAILED,
            f"{reason}. It would have to wait from {utc_in_words(since)} to {utc_in_words(until)}, longer than "
            f"'max_delay' ({format_duration(longest)}) allows: request the task again then, or raise 'max_delay'",
            retryable=False,
        )
    return Outcome(Result.HANDED_BACK, reason=reason, delay=delay, postponed_since=since)
