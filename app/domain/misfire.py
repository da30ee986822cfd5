"""Decides about the due fire times of a schedule: each starts a task, is skipped, or is missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.schedule import Schedule

MISFIRE_GRACE = timedelta(seconds=10)
FIRE_TIMES_PER_PASS = 1000
OVERLAP = "overlap"


class MisfirePolicy(StrEnum):
    """What to do about fire times that no scheduler handled in time, within the misfire window.

    SKIP misses them. LATEST starts the latest one and misses those before it. ALL starts all of them, oldest first and
    one after the other.
    """

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class MissedReason(StrEnum):
    """Why a fire time was missed: the policy is SKIP; a later one replaces it; it is older than the window."""

    POLICY = "policy"
    COALESCED = "coalesced"
    OUTSIDE_WINDOW = "outside_window"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a fire time. `missed` is None if it is to start a task.

    If the collection already has an active task, such a fire time is recorded as skipped because of the overlap.
    """

    fire_time: datetime
    missed: MissedReason | None = None


class FireOutcome(StrEnum):
    """The outcome in the ledger: the fire time started a task, another task was active, or it was missed."""

    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of a fire time, with the reason if it started no task."""

    fire_time: datetime
    outcome: FireOutcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of one pass, oldest first, and the first undecided fire time.

    `next_fire_at` is None if the schedule never fires again.
    """

    decisions: tuple[Decision, ...]
    next_fire_at: datetime | None


@dataclass(frozen=True, slots=True)
class MisfireRule:
    """The policy and window of a collection; `window` None is unlimited.

    After `MISFIRE_GRACE` a fire time is a misfire. The window applies to misfires only.
    """

    policy: MisfirePolicy = MisfirePolicy.LATEST
    window: timedelta | None = None

    def on_time(self, fire_time: datetime, now: datetime) -> bool:
        return now - fire_time <= MISFIRE_GRACE

    def too_old(self, fire_time: datetime, now: datetime) -> bool:
        return self.window is not None and now - fire_time > max(self.window, MISFIRE_GRACE)


def first_start(decisions: Sequence[Decision]) -> Decision | None:
    """The first decision that starts a task. Only this one is tried, because a collection has one active task."""
    return next((decision for decision in decisions if decision.missed is None), None)


def settle(
    decisions: Sequence[Decision], *, started: bool, collection_active: bool
) -> tuple[list[Settled], datetime | None]:
    """The outcomes of a pass, and the fire time that waits for the next pass, if there is one.

    `started` is whether the first start got a new task, `collection_active` whether the collection had an active task
    when the pass decided.
    """
    first = first_start(decisions)
    # Another task was started after this pass had checked, or one has ended in a newer transaction than this one: the
    # next pass sees which.
    waits = first is not None and not started and not collection_active
    settled: list[Settled] = []
    for decision in decisions:
        if decision is first and waits:
            return settled, decision.fire_time
        settled.append(_settled(decision, started=started and decision is first))
    return settled, None


def _settled(decision: Decision, *, started: bool) -> Settled:
    if decision.missed is not None:
        return Settled(decision.fire_time, FireOutcome.MISSED, decision.missed.value)
    if started:
        return Settled(decision.fire_time, FireOutcome.STARTED)
    return Settled(decision.fire_time, FireOutcome.SKIPPED, OVERLAP)


def decide_fire_times(
    schedule: Schedule,
    rule: MisfireRule,
    *,
    next_fire_at: datetime,
    now: datetime,
    collection_active: bool,
    limit: int = FIRE_TIMES_PER_PASS,
) -> Decided:
    """Decide about the fire times from `next_fire_at` to `now` (the database's clock), at most `limit` of them.

    Those beyond `limit`, and those that wait for the active task under ALL, are left for a later pass, which starts at
    the returned `next_fire_at`. Periods count from there, so the last fire time is not needed.
    """
    due = _due(schedule, next_fire_at=next_fire_at, now=now, limit=limit)
    if rule.policy is MisfirePolicy.ALL:
        decisions = tuple(_one_after_the_other(due.fire_times, rule, now=now, active=collection_active))
    elif rule.policy is MisfirePolicy.LATEST:
        decisions = tuple(_only_the_last(due, rule, now=now))
    else:
        decisions = tuple(_only_those_on_time(due.fire_times, rule, now=now))
    undecided = due.fire_times[len(decisions) :]
    return Decided(decisions=decisions, next_fire_at=undecided[0] if undecided else due.following)


@dataclass(frozen=True, slots=True)
class _Due:
    fire_times: tuple[datetime, ...]
    following: datetime | None
    complete: bool


def _due(schedule: Schedule, *, next_fire_at: datetime, now: datetime, limit: int) -> _Due:
    fire_times: list[datetime] = []
    following: datetime | None = next_fire_at
    while following is not None and following <= now and len(fire_times) < limit:
        fire_times.append(following)
        following = schedule.next_after(following, following)
    return _Due(
        fire_times=tuple(fire_times),
        following=following,
        complete=following is None or following > now,
    )


def _only_those_on_time(fire_times: tuple[datetime, ...], rule: MisfireRule, *, now: datetime) -> Iterator[Decision]:
    for fire_time in fire_times:
        if rule.on_time(fire_time, now):
            yield Decision(fire_time)
        elif rule.too_old(fire_time, now):
            yield Decision(fire_time, MissedReason.OUTSIDE_WINDOW)
        else:
            yield Decision(fire_time, MissedReason.POLICY)


def _only_the_last(due: _Due, rule: MisfireRule, *, now: datetime) -> Iterator[Decision]:
    last = due.fire_times[-1] if due.fire_times and due.complete else None
    for fire_time in due.fire_times:
        if rule.too_old(fire_time, now):
            yield Decision(fire_time, MissedReason.OUTSIDE_WINDOW)
        elif fire_time == last:
            yield Decision(fire_time)
        else:
            yield Decision(fire_time, MissedReason.COALESCED)


def _one_after_the_other(
    fire_times: tuple[datetime, ...], rule: MisfireRule, *, now: datetime, active: bool
) -> Iterator[Decision]:
    for fire_time in fire_times:
        if rule.too_old(fire_time, now):
            yield Decision(fire_time, MissedReason.OUTSIDE_WINDOW)
        elif active and not rule.on_time(fire_time, now):
            return  # it waits, and so do all after it
        else:
            yield Decision(fire_time)
            active = True
