"""How a collection is, in one word and a sentence: what the command line and the pages show first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.domain.elapsed import ago_in_words, span_in_words
from app.domain.task import Status

if TYPE_CHECKING:
    from datetime import datetime


class Condition(StrEnum):
    """How a collection is; in this order, those that need somebody come first."""

    FAILING = "failing"
    """Its last task that has ended failed."""
    RUNNING = "running"
    WAITING = "waiting"
    """A task waits for a worker, or for the time of its next attempt."""
    PAUSED = "paused"
    NEW = "new"
    """No task of it has ended yet."""
    CANCELED = "canceled"
    """Its last task was canceled."""
    FINE = "fine"


OF_STATUS: Final = {
    Status.SCHEDULED: Condition.WAITING,
    Status.RUNNING: Condition.RUNNING,
    Status.SUCCESS: Condition.FINE,
    Status.FAILED: Condition.FAILING,
    Status.CANCELED: Condition.CANCELED,
}
WORDS_OF_STATUS: Final = {
    Status.SCHEDULED: "Waiting",
    Status.RUNNING: "Running",
    Status.SUCCESS: "Succeeded",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
}
RANKS: Final = {condition: rank for rank, condition in enumerate(Condition)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a collection. Of an active task there are its status, attempt, start and progress."""

    last_status: Status | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_error: str | None = None
    consecutive_failures: int = 0
    paused_since: datetime | None = None
    paused_until: datetime | None = None
    paused_by: str | None = None
    pause_note: str | None = None
    started_at: datetime | None = None
    records_read: int | None = None
    percent: float | None = None


def condition_of(facts: Facts) -> Condition:
    """The condition of a collection. A task that runs hides earlier failures from nobody: it comes after them."""
    if facts.paused_since is not None and facts.last_status is not Status.RUNNING:
        return Condition.PAUSED
    if facts.consecutive_failures:
        return Condition.FAILING
    return Condition.NEW if facts.last_status is None else OF_STATUS[facts.last_status]


def describe(facts: Facts, now: datetime) -> str:
    """How the collection is, such as `failed 3 min ago, 4 in a row: no such table; last success 2 h ago`."""
    condition = condition_of(facts)
    parts = []
    if condition is Condition.PAUSED:
        parts.append(_pause(facts, now))
    if facts.last_status is Status.RUNNING:
        parts.append(_run(facts, now))
    if facts.last_status is Status.SCHEDULED and condition is not Condition.PAUSED:
        parts.append("waits for a worker")
    if facts.consecutive_failures:
        parts.append(_failures(facts, now))
    if facts.last_success_at is not None:
        parts.append(f"last success {ago_in_words(facts.last_success_at, now)}")
    elif condition is Condition.NEW:
        parts.append("has never run")
    return "; ".join(parts) or "has not succeeded yet"


def _pause(facts: Facts, now: datetime) -> str:
    by = f" by {facts.paused_by}" if facts.paused_by else ""
    since = f" {ago_in_words(facts.paused_since, now)}" if facts.paused_since else ""
    until = f", ends {ago_in_words(facts.paused_until, now)}" if facts.paused_until else ""
    note = f": {facts.pause_note}" if facts.pause_note else ""
    return f"paused{by}{since}{until}{note}"


def _run(facts: Facts, now: datetime) -> str:
    parts = [
        "running" + (f" for {span_in_words((now - facts.started_at).total_seconds())}" if facts.started_at else "")
    ]
    if facts.records_read is not None:
        parts.append(f"{facts.records_read:,} rows read")
    if facts.percent is not None:
        parts.append(f"{facts.percent:.0f} %")
    return ", ".join(parts)


def _failures(facts: Facts, now: datetime) -> str:
    when = f" {ago_in_words(facts.last_failure_at, now)}" if facts.last_failure_at else ""
    row = f", {facts.consecutive_failures} in a row" if facts.consecutive_failures > 1 else ""
    return f"failed{when}{row}" + (f": {facts.last_error}" if facts.last_error else "")
