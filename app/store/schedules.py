"""Schedules as the table keeps them, and the ledger of their fire times."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.domain.claim import NewTask
from app.domain.misfire import MISFIRE_GRACE
from app.store.queries import load_statements
from app.store.queue import schedule_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from app.store.database import Connection, Pool

_SQL: Final = load_statements("schedules.sql")
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class ScheduleDefinition:
    """A collection's schedule, as the configuration writes it."""

    source: str
    collection: str
    source_type: str
    max_attempts: int
    expression: str
    timezone: str
    misfire: str
    misfire_window: timedelta | None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.collection


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A row of `schedules`."""

    definition: ScheduleDefinition
    last_fire_at: datetime | None
    active: bool


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule that this pass has locked; `busy` tells whether its collection has an active task."""

    definition: ScheduleDefinition
    next_fire_at: datetime
    now: datetime
    busy: bool


@dataclass(frozen=True, slots=True)
class FireTime:
    """A fire time with what the misfire policy decided: `missed` is the reason, None where a task is to start."""

    definition: ScheduleDefinition
    fire_time: datetime
    missed: str | None


@dataclass(frozen=True, slots=True)
class Advance:
    """Where a schedule stands after a pass."""

    source: str
    collection: str
    next_fire_at: datetime | None
    last_fire_at: datetime | None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.collection


class Schedules:
    """The schedules and the ledger, as the scheduler uses them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self) -> tuple[list[StoredSchedule], int, datetime]:
        """Every schedule that the table knows, ended ones too, their digest, and the database's now."""
        # One snapshot: a digest of other rows than those returned would vouch for what nobody has compared.
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            rows = await connection.fetch(_SQL["all_schedules"])
            digest = int(await connection.fetchval(_SQL["digest_of_schedules"]))
            now: datetime = await connection.fetchval(_SQL["now"])
        schedules = [
            StoredSchedule(
                ScheduleDefinition(*(row[column] for column in _DEFINITION)),
                row["last_fire_at"],
                row["active"],
            )
            for row in rows
        ]
        return schedules, digest, now

    async def digest(self) -> int:
        """A number that changes with every definition, and with every schedule that ends or comes back."""
        return int(await self._pool.fetchval(_SQL["digest_of_schedules"]))

    async def put(self, schedules: Sequence[tuple[ScheduleDefinition, datetime | None]]) -> None:
        """Add and change schedules; the time given is where a new or changed one begins."""
        if not schedules:
            return
        columns = zip(*((*(getattr(d, c) for c in _DEFINITION), begin) for d, begin in schedules), strict=True)
        await self._pool.execute(_SQL["put_schedules"], *map(list, columns))

    async def end(self, keys: Sequence[tuple[str, str]]) -> None:
        """End the schedules of these (source, collection) pairs."""
        await self._pool.execute(_SQL["end_schedules"], [s for s, _ in keys], [c for _, c in keys])

    async def seconds_until_next(self) -> float:
        """How long until a schedule is due; not above a day, below zero for one that another replica has locked."""
        seconds: float | None = await self._pool.fetchval(_SQL["seconds_until_next"], MISFIRE_GRACE)
        return _DAY if seconds is None else min(_DAY, seconds)

    @asynccontextmanager
    async def due(self) -> AsyncIterator[DuePass]:
        """Lock what is due; the decisions recorded within commit together, or none does."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_SQL["due_schedules"], MISFIRE_GRACE)
            keys = [[row[column] for row in rows] for column in ("source", "collection")]
            busy = {tuple(row) for row in await connection.fetch(_SQL["busy_collections"], *keys)} if rows else set()
            yield DuePass(
                connection,
                [
                    DueSchedule(
                        ScheduleDefinition(*(row[column] for column in _DEFINITION)),
                        row["next_fire_at"],
                        row["now"],
                        (row["source"], row["collection"]) in busy,
                    )
                    for row in rows
                ],
            )


class DuePass:
    """One pass of a scheduler over the `schedules` that it has locked."""

    def __init__(self, connection: Connection, schedules: list[DueSchedule]) -> None:
        self._connection = connection
        self._busy = {schedule.definition.key for schedule in schedules if schedule.busy}
        self.schedules = schedules

    async def record(
        self, worker: UUID, fire_times: Sequence[FireTime], advances: Sequence[Advance], *, priority_class: int
    ) -> Counter[str]:
        """Start the tasks that are to start, write the ledger and move the schedules on: how many of each outcome."""
        undecided = await self._undecided(fire_times)
        # Of several that are to start only the first one of a collection can.
        starts = {f.definition.key: f for f in reversed(undecided) if f.missed is None}
        started = await self._start(list(starts.values()), priority_class)
        waiting = {key: f.fire_time for key, f in starts.items() if key not in started and self._waits(f.definition)}
        tasks = {(key, f.fire_time): started[key] for key, f in starts.items() if key in started}
        outcomes = [
            _outcome(f, tasks.get((f.definition.key, f.fire_time)))
            for f in undecided
            if f.definition.key not in waiting or f.fire_time < waiting[f.definition.key]
        ]
        await self._write(worker, outcomes)
        await self._advance([replace(a, next_fire_at=waiting.get(a.key, a.next_fire_at)) for a in advances])
        return Counter(outcome.outcome for outcome in outcomes)

    def _waits(self, definition: ScheduleDefinition) -> bool:
        """Whether a start that came too late is left for the next pass.

        The policy `all` promises every fire time a task; somebody has taken the collection since this pass looked.
        """
        return definition.misfire == "all" and definition.key not in self._busy

    async def _undecided(self, fire_times: Sequence[FireTime]) -> list[FireTime]:
        rows = await self._connection.fetch(
            _SQL["undecided_fire_times"],
            [f.definition.source for f in fire_times],
            [f.definition.collection for f in fire_times],
            [f.fire_time for f in fire_times],
        )
        return [fire_times[row["place"] - 1] for row in rows]

    async def _start(self, starts: Sequence[FireTime], priority_class: int) -> dict[tuple[str, str], UUID]:
        if not starts:
            return {}
        return await schedule_tasks(
            self._connection,
            [
                NewTask(
                    source=start.definition.source,
                    collection=start.definition.collection,
                    source_type=start.definition.source_type,
                    trigger="schedule",
                    priority_class=priority_class,
                    max_attempts=start.definition.max_attempts,
                    fire_time=start.fire_time,
                )
                for start in starts
            ],
        )

    async def _write(self, worker: UUID, outcomes: Sequence[_Outcome]) -> None:
        columns = [[getattr(outcome, column) for outcome in outcomes] for column in _OUTCOME]
        await self._connection.execute(_SQL["record_fire_times"], worker, *columns)

    async def _advance(self, advances: Sequence[Advance]) -> None:
        columns = [[getattr(advance, column) for advance in advances] for column in _ADVANCE]
        await self._connection.execute(_SQL["advance_schedules"], *columns)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A row of the ledger."""

    source: str
    collection: str
    fire_time: datetime
    outcome: str
    misfire: str
    reason: str | None
    task: UUID | None


def _outcome(fire_time: FireTime, task: UUID | None) -> _Outcome:
    definition = fire_time.definition
    outcome = "missed" if fire_time.missed else "started" if task else "skipped"
    reason = "overlap" if outcome == "skipped" else fire_time.missed
    return _Outcome(*definition.key, fire_time.fire_time, outcome, definition.misfire, reason, task)


_DEFINITION: Final = tuple(ScheduleDefinition.__slots__)
_OUTCOME: Final = tuple(_Outcome.__slots__)
_ADVANCE: Final = tuple(Advance.__slots__)
