"""What becomes of the fire times of one schedule that are due: they start a task, are skipped, or are missed."""

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
    """What to do about fire times that no scheduler could look at in time, within the misfire window.

    SKIP misses them. LATEST starts the last one due and misses those before it. ALL starts every one, oldest first and
    one after the other.
    """

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class MissedReason(StrEnum):
    """Why a fire time starts nothing: the policy is SKIP; a later one stands for it; it is older than the window."""

    POLICY = "policy"
    COALESCED = "coalesced"
    OUTSIDE_WINDOW = "outside_window"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one fire time. `missed` is None for one that starts a task.

    Where the collection has an active task already, what starts is to be recorded as skipped for the overlap.
    """

    fire_time: datetime
    missed: MissedReason | None = None


class FireOutcome(StrEnum):
    """What the ledger says of a fire time: its task started, another task was active, or it was missed."""

    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one fire time, and why where it started no task."""

    fire_time: datetime
    outcome: FireOutcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of one pass, oldest first, and the first fire time that is not decided yet.

    `next_fire_at` is None for a schedule that never fires again.
    """

    decisions: tuple[Decision, ...]
    next_fire_at: datetime | None


@dataclass(frozen=True, slots=True)
class MisfireRule:
    """Policy and window of a collection; `window` None has no end.

    A fire time is on time for `MISFIRE_GRACE`, after that it is a misfire. The window is about misfires alone.
    """

    policy: MisfirePolicy = MisfirePolicy.LATEST
    window: timedelta | None = None

    def on_time(self, fire_time: datetime, now: datetime) -> bool:
        return now - fire_time <= MISFIRE_GRACE

    def too_old(self, fire_time: datetime, now: datetime) -> bool:
        return self.window is not None and now - fire_time > max(self.window, MISFIRE_GRACE)


def first_start(decisions: Sequence[Decision]) -> Decision | None:
    """Of several that are to start a task the one that is tried: the collection has room for no other."""
    return next((decision for decision in decisions if decision.missed is None), None)


def settle(
    decisions: Sequence[Decision], policy: MisfirePolicy, *, started: bool, collection_active: bool
) -> tuple[list[Settled], datetime | None]:
    """What became of one pass's decisions, and the fire time that waits for the next pass, where one does.

    `started` tells whether the first start was given its task: if not, the collection has another one.
    `collection_active` is what the pass knew when it decided.
    """
    first = first_start(decisions)
    # ALL promises every fire time a task, and somebody has taken the collection since this pass looked.
    waits = first is not None and not started and policy is MisfirePolicy.ALL and not collection_active
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
    """Decide the fire times from `next_fire_at` to `now` (the database's clock), at most `limit` of them.

    What is beyond `limit`, or waits under ALL for the active task to end, comes again in a later pass that is given the
    `next_fire_at` of this one. Periods count from there, so the pass needs no last fire time.
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
            return  # it waits, and all behind it do
        else:
            yield Decision(fire_time)
            active = True
