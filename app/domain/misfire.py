"""Decides about the due fire times of a schedule: each starts a task, is skipped, or is missed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from app.domain.schedule import Schedule

MISFIRE_GRACE = timedelta(seconds=10)
FIRE_TIMES_PER_PASS = 1000
OVERLAP = "overlap"
PAUSED = "paused"


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
    """The decision about a fire time. It is to start a task unless it is `missed` or `paused`.

    If the collection already has an active task, such a fire time is recorded as skipped because of the overlap.
    """

    fire_time: datetime
    missed: MissedReason | None = None
    paused: bool = False

    @property
    def starts(self) -> bool:
        return self.missed is None and not self.paused


class FireOutcome(StrEnum):
    """The outcome in the ledger.

    The fire time started a task; it was skipped, because another task was active or the collection paused; or it was
    missed.
    """

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
    return next((decision for decision in decisions if decision.starts), None)


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
    if decision.paused:
        return Settled(decision.fire_time, FireOutcome.SKIPPED, PAUSED)
    if started:
        return Settled(decision.fire_time, FireOutcome.STARTED)
    return Settled(decision.fire_time, FireOutcome.SKIPPED, OVERLAP)


@dataclass(frozen=True, slots=True)
class Pause:
    """An interval in which no fire time starts a task; it may still go on at `end`."""

    begin: datetime
    end: datetime

    def has(self, time: datetime) -> bool:
        return self.begin <= time < self.end


def decide_fire_times(
    schedule: Schedule,
    rule: MisfireRule,
    *,
    next_fire_at: datetime,
    now: datetime,
    collection_active: bool,
    pauses: Sequence[Pause] = (),
    limit: int = FIRE_TIMES_PER_PASS,
) -> Decided:
    """Decide about the fire times from `next_fire_at` to `now` (the database's clock), at most `limit` of them.

    Those beyond `limit`, and those that wait for the active task under ALL, are left for a later pass, which starts at
    the returned `next_fire_at`. Periods count from there, so the last fire time is not needed.

    A fire time in one of the `pauses` is skipped, also if nobody has decided it until the pause was over. While a pause
    goes on, so are those before it: a task would only wait.
    """
    due = _due(schedule, next_fire_at=next_fire_at, now=now, limit=limit)
    is_paused = any(pause.has(now) for pause in pauses)
    wanted = tuple(one for one in due.fire_times if not (is_paused or any(pause.has(one) for pause in pauses)))
    if rule.policy is MisfirePolicy.ALL:
        by_policy = _one_after_the_other(wanted, rule, now=now, active=collection_active)
    elif rule.policy is MisfirePolicy.LATEST:
        by_policy = _only_the_last(replace(due, fire_times=wanted), rule, now=now)
    else:
        by_policy = _only_those_on_time(wanted, rule, now=now)
    decisions = tuple(_with_paused(due.fire_times, by_policy, wanted={*wanted}))
    undecided = due.fire_times[len(decisions) :]
    return Decided(decisions=decisions, next_fire_at=undecided[0] if undecided else due.following)


def _with_paused(
    fire_times: Sequence[datetime], by_policy: Iterator[Decision], *, wanted: Container[datetime]
) -> Iterator[Decision]:
    """The decisions about all fire times in their order, up to the first that waits."""
    for fire_time in fire_times:
        if fire_time not in wanted:
            yield Decision(fire_time, paused=True)
        elif decision := next(by_policy, None):
            yield decision
        else:
            return


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
