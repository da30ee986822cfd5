"""The scheduler: one pass locks the schedules that are due, decides their fire times and starts their tasks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import SynclineError
from app.domain.misfire import FIRE_TIMES_PER_PASS, MisfirePolicy, MisfireRule, Pause, decide_fire_times
from app.domain.priority import PriorityClass
from app.domain.schedule import parse_schedule
from app.failpoints import fail_point
from app.store.partitions import with_partitions
from app.store.schedules import Advance, FireTime, Schedules

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from app.store.database import Pool
    from app.store.notify import Notifier
    from app.store.schedules import DueSchedule

_POLL_SECONDS: Final = 1.0
# Other replicas may have made fire times earlier; what this process does to them wakes its scheduler.
_IDLE_SECONDS: Final = 5.0
# A due schedule that we could not lock is being decided by another replica.
_TURN_SECONDS: Final = 0.05
# After a long downtime: one pass must fit into memory, and the lease is renewed between two passes.
_MOST_FIRE_TIMES: Final = 5 * FIRE_TIMES_PER_PASS

_logger = structlog.get_logger("syncline.scheduler")


class Scheduler:
    """Runs in every worker: row locks distribute the schedules, and the ledger makes every fire time unique."""

    def __init__(self, pool: Pool, notifier: Notifier, worker: Callable[[], UUID | None]) -> None:
        self._pool = pool
        self._schedules = Schedules(pool)
        self._notifier = notifier
        self._worker = worker
        self._unknown: set[tuple[str, str]] = set()
        self.wake = asyncio.Event()
        """Set it when fire times may have become earlier, for the next pass to begin at once."""

    async def step(self) -> float:
        """Run one pass; returns the seconds until the next."""
        worker = self._worker()
        if worker is None:
            return _POLL_SECONDS
        # Poll without a lock; open the locking transaction only if something is due.
        seconds, waits = await self._schedules.get_seconds_until_next(timedelta(seconds=_IDLE_SECONDS))
        if seconds > 0:
            # The end of the task that a schedule waits for wakes nobody.
            return min(_POLL_SECONDS if waits else _IDLE_SECONDS, seconds)
        decided = await self.decide_due(worker)
        if decided is None:
            return _TURN_SECONDS
        # Schedules that this release cannot parse stay due; do not spin on them.
        return 0 if decided else _POLL_SECONDS

    async def decide_due(self, worker: UUID) -> int | None:
        """Decide what is due now. Returns the number of decided fire times, or None if no schedule was due."""
        return await with_partitions(self._pool, lambda: self._decide_due(worker))

    async def _decide_due(self, worker: UUID) -> int | None:
        async with self._schedules.lock_due() as due:
            if not due.schedules:
                return None
            passes = list(self._decide_all(due.schedules))
            fire_times = [fire_time for decided in passes for fire_time in decided.fire_times]
            if not fire_times:
                return 0
            advances = [decided.advance for decided in passes if decided.fire_times]
            outcomes = await due.record(worker, fire_times, advances, priority_class=PriorityClass.SCHEDULE)
            fail_point("schedules.decided")
        self._report(outcomes)
        return outcomes.total()

    def _decide_all(self, due: Sequence[DueSchedule]) -> Iterator[_Pass]:
        left = _MOST_FIRE_TIMES
        for schedule in due:
            try:
                decided = _decide(schedule, limit=min(left, FIRE_TIMES_PER_PASS))
            except SynclineError as error:
                # Written by a release that knows more than this one: that one decides it, the other schedules go on.
                if schedule.definition.key not in self._unknown:
                    self._unknown.add(schedule.definition.key)
                    _logger.error("schedule.rejected", schedule="/".join(schedule.definition.key), error=str(error))  # noqa: TRY400 - the user's schedule, not our fault
                continue
            yield decided
            left -= len(decided.fire_times)
            if left <= 0:
                return

    def _report(self, outcomes: Counter[str]) -> None:
        if outcomes["started"]:
            self._notifier.notify()
        _logger.info("schedules.fired", **outcomes)


@dataclass(frozen=True, slots=True)
class _Pass:
    fire_times: list[FireTime]
    advance: Advance


def _decide(due: DueSchedule, *, limit: int) -> _Pass:
    definition = due.definition
    # As if the clock, and with it each pause, were slow by the delay: the ledger keeps fire times as they are written.
    delay = definition.delay
    decided = decide_fire_times(
        parse_schedule(definition.expression, definition.timezone),
        MisfireRule(MisfirePolicy(definition.misfire), definition.misfire_window),
        next_fire_at=due.next_start_at - delay,
        now=due.now - delay,
        collection_active=due.busy,
        pauses=[Pause(pause.begin - delay, pause.end - delay) for pause in due.pauses],
        limit=limit,
    )
    return _Pass(
        [FireTime(definition, decision) for decision in decided.decisions],
        Advance(
            definition.source,
            definition.collection,
            decided.next_fire_at and decided.next_fire_at + delay,
            decided.decisions[-1].fire_time if decided.decisions else None,
        ),
    )
