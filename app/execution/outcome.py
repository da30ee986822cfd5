"""The outcome of an attempt, and what it means for the task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from app.domain import events
from app.domain.claim import Ending
from app.domain.retry import retry_delay
from app.domain.task import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from random import Random

    from app.domain.claim import Claim, NumberedLine


class Result(Enum):
    """The result of an attempt."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    HANDED_BACK = "handed back"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt, with details that depend on it.

    Args:
        result: what happened.
        error: of a failure.
        retryable: whether another attempt can help after a failure.
        login_refused: whether a failure is about a password that may have changed meanwhile.
        retry_after: how long the source cannot be read; None if the attempt has failed.
        unreachable: the destinations that cannot be reached, if that alone is the failure.
        records_read: by a success.
        rows_written: by a success.
        reason: why an attempt was handed back.
        delay: how long the task waits after that.
        unknown_since: since when no worker that claimed the task has known its collection, if that is the reason.
        postponed_since: since when the task has done nothing but wait for its source, if that is the reason.
        unreachable_since: since when it has done nothing but wait for a destination, if that is the reason.
    """

    result: Result
    error: str | None = None
    retryable: bool = True
    login_refused: bool = False
    retry_after: timedelta | None = None
    unreachable: tuple[str, ...] = ()
    records_read: int = 0
    rows_written: int = 0
    reason: str = ""
    delay: timedelta = timedelta()
    unknown_since: datetime | None = None
    postponed_since: datetime | None = None
    unreachable_since: datetime | None = None


CANCELED: Final = Outcome(Result.CANCELED)
HANDED_BACK: Final = Outcome(Result.HANDED_BACK, reason="the worker is stopping")
SERVER_LOST: Final = Outcome(Result.HANDED_BACK, reason="the process that had forked the attempt ended unexpectedly")
NEVER_STARTED: Final = Outcome(Result.HANDED_BACK, reason="the worker never received the claim")


def ending_of(
    claim: Claim,
    outcome: Outcome,
    *,
    line: int,
    before: Sequence[NumberedLine] = (),
    seconds: float,
    rng: Random,
) -> Ending:
    """Make the event and the task's new status. `line` is the event's number in the log of the attempt.

    `before` are log lines that are not stored yet; `seconds` is the duration of the attempt.
    """
    details: dict[str, Any] = {
        "records_read": outcome.records_read,
        "rows": outcome.rows_written,
        "seconds": round(seconds, 3),
    }

    def ending(type_: str, status: Status, **more: Any) -> Ending:
        return Ending(
            claim=claim,
            type=type_,
            status=status,
            line=line,
            lines=before,
            error=outcome.error,
            details=details,
            **more,
        )

    def canceled() -> Ending:
        return ending(events.TASK_CANCELED, Status.CANCELED)

    match outcome.result:
        case Result.SUCCEEDED:
            return ending(events.TASK_SUCCEEDED, Status.SUCCESS)
        case Result.CANCELED:
            return canceled()
        case Result.HANDED_BACK:
            details["reason"] = outcome.reason
            for name in ("unknown_since", "postponed_since", "unreachable_since"):
                if since := getattr(outcome, name):
                    details[name] = since
            return ending(events.ATTEMPT_HANDED_BACK, Status.SCHEDULED, delay=outcome.delay, if_canceled=canceled())
        case Result.FAILED if outcome.retryable and claim.failures + 1 < claim.max_attempts:
            delay = retry_delay(claim.failures + 1, rng=rng)
            details["attempts_left"] = claim.max_attempts - claim.failures - 1
            # Not the time until `run_at`, for the clock may have been set back.
            details["delay_seconds"] = round(delay.total_seconds(), 3)
            return ending(events.ATTEMPT_FAILED, Status.SCHEDULED, delay=delay, if_canceled=canceled())
        case _:
            return ending(events.TASK_FAILED, Status.FAILED)
