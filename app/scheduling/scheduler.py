"""The scheduler: one pass locks the schedules that are due, decides their fire times and starts their tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.misfire import Decision, MisfirePolicy, MisfireRule, decide_fire_times
from app.domain.priority import PriorityClass
from app.domain.schedule import parse_schedule
from app.store.schedules import Advance, FireTime, Schedules

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.store.database import Pool
    from app.store.notify import Notifier
    from app.store.schedules import DueSchedule

_POLL_SECONDS: Final = 1.0

_logger = structlog.get_logger("syncline.scheduler")


class Scheduler:
    """Runs in every worker; the row locks share the schedules out, the ledger makes every fire time unique."""

    def __init__(self, pool: Pool, notifier: Notifier, worker: Callable[[], UUID | None]) -> None:
        self._schedules = Schedules(pool)
        self._notifier = notifier
        self._worker = worker

    async def step(self) -> float:
        """One pass; the seconds until the next."""
        worker = self._worker()
        if worker is None:
            return _POLL_SECONDS
        decided = await self.decide_due(worker)
        return 0 if decided else min(_POLL_SECONDS, await self._schedules.seconds_until_next())

    async def decide_due(self, worker: UUID) -> int:
        """Decide what is due now: how many fire times were decided."""
        async with self._schedules.due() as due:
            passes = [_decide(schedule) for schedule in due.schedules]
            fire_times = [fire_time for decided in passes for fire_time in decided.fire_times]
            if not fire_times:
                return 0
            advances = [decided.advance for decided in passes if decided.fire_times]
            outcomes = await due.record(worker, fire_times, advances, priority_class=PriorityClass.SCHEDULE)
        self._tell(Counter(outcome.outcome for outcome in outcomes))
        return len(fire_times)

    def _tell(self, outcomes: Counter[str]) -> None:
        if outcomes["started"]:
            self._notifier.notify()
        _logger.info("schedules.fired", **outcomes)


@dataclass(frozen=True, slots=True)
class _Pass:
    fire_times: list[FireTime]
    advance: Advance


def _decide(due: DueSchedule) -> _Pass:
    definition = due.definition
    decided = decide_fire_times(
        parse_schedule(definition.expression, definition.timezone),
        MisfireRule(MisfirePolicy(definition.misfire), definition.misfire_window),
        next_fire_at=due.next_fire_at,
        now=due.now,
        collection_active=due.busy,
    )
    return _Pass(
        [FireTime(definition, decision.fire_time, _missed(decision)) for decision in decided.decisions],
        Advance(
            definition.source,
            definition.collection,
            decided.next_fire_at,
            decided.decisions[-1].fire_time if decided.decisions else None,
        ),
    )


def _missed(decision: Decision) -> str | None:
    return decision.missed.value if decision.missed else None
