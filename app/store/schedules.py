"""The table of schedules, and the ledger of their fire times.

`DuePass` builds the tasks of schedules itself and not in `app.task_requests`, which stands above the store: it starts
them in the transaction that records their fire times, from the row that it has locked and not from the catalogue.
"""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.domain.claim import NewTask
from app.domain.misfire import MISFIRE_GRACE, FireOutcome, Pause, first_start, settle
from app.domain.pool import DEFAULT_POOL
from app.store.queries import load_statements
from app.store.queue import schedule_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.domain.misfire import Decision, Settled
    from app.store.database import Connection, Pool

_SQL: Final = load_statements("schedules.sql")
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class ScheduleDefinition:
    """A collection's schedule, as the catalogue defines it. Its tasks start `delay` after their fire times."""

    source: str
    collection: str
    source_type: str
    max_attempts: int
    expression: str
    timezone: str
    misfire: str
    misfire_window: timedelta | None
    pool: str = DEFAULT_POOL
    delay: timedelta = timedelta()

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.collection


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A row of `schedules`; `missing_since` if a replica looks for it in its catalogue and does not find it."""

    definition: ScheduleDefinition
    last_fire_at: datetime | None
    active: bool
    missing_since: datetime | None


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule that this pass has locked; `busy` if its collection has an active task.

    `next_start_at` is its first undecided fire time plus its delay.

    `pauses` are the last one of the collection and the last one of its source, up to now.
    """

    definition: ScheduleDefinition
    next_start_at: datetime
    now: datetime
    busy: bool
    pauses: tuple[Pause, ...]


@dataclass(frozen=True, slots=True)
class FireTime:
    """A fire time of a schedule, with the decision about it."""

    definition: ScheduleDefinition
    decision: Decision


@dataclass(frozen=True, slots=True)
class Advance:
    """A schedule after a pass; `next_start_at` is its first undecided fire time plus its delay."""

    source: str
    collection: str
    next_start_at: datetime | None
    last_fire_at: datetime | None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.collection


class Schedules:
    """The schedules and the ledger, as the scheduler uses them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_all(self) -> tuple[list[StoredSchedule], int, datetime]:
        """List all schedules, including ended ones, with their digest and the database's time."""
        # One snapshot, so that the digest is that of the returned rows.
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
                row["missing_since"],
            )
            for row in rows
        ]
        return schedules, digest, now

    async def get_digest(self) -> int:
        """A number that changes if a definition changes, or a schedule ends, is missing or comes back."""
        return int(await self._pool.fetchval(_SQL["digest_of_schedules"]))

    async def put(self, schedules: Sequence[tuple[ScheduleDefinition, datetime | None]]) -> None:
        """Add and change schedules; the time is the first fire time of a new or changed one, plus its delay."""
        if not schedules:
            return
        columns = zip(*((*(getattr(d, c) for c in _DEFINITION), begin) for d, begin in schedules), strict=True)
        await self._pool.execute(_SQL["put_schedules"], *map(list, columns))

    async def end(self, keys: Sequence[tuple[str, str]]) -> None:
        """End the schedules of these (source, collection) pairs."""
        if not keys:
            return
        await self._pool.execute(_SQL["end_schedules"], *_columns(keys))

    async def end_missing(self, keys: Sequence[tuple[str, str]], *, patience: timedelta) -> list[tuple[str, str]]:
        """End those of them that are still missing, and for this long. Returns those that were ended.

        A fire time that is due gets its outcome first.
        """
        if not keys:
            return []
        rows = await self._pool.fetch(_SQL["end_missing_schedules"], *_columns(keys), patience)
        return [(row["source"], row["collection"]) for row in rows]

    async def mark(self, missing: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> None:
        """Note that some are missing from now on, unless they already were, and that others no longer are."""
        if not missing and not found:
            return
        are_missing = [True] * len(missing) + [False] * len(found)
        await self._pool.execute(_SQL["mark_schedules"], *_columns([*missing, *found]), are_missing)

    async def get_seconds_until_next(self, within: timedelta) -> tuple[float, bool]:
        """Seconds until a schedule is due, and whether another one waits for its collection's active task.

        That includes those that will be due `within` so long. The seconds are at most a day; negative if one is due,
        but locked by another replica.
        """
        [(seconds, waits)] = await self._pool.fetch(_SQL["seconds_until_next"], MISFIRE_GRACE, within)
        return _DAY if seconds is None else min(_DAY, seconds), waits

    @asynccontextmanager
    async def lock_due(self) -> AsyncIterator[DuePass]:
        """Lock the due schedules. All decisions that are recorded within the block commit together."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_SQL["due_schedules"], MISFIRE_GRACE)
            keys = [[row[column] for row in rows] for column in ("source", "collection")]
            busy = {tuple(row) for row in await connection.fetch(_SQL["busy_collections"], *keys)} if rows else set()
            yield DuePass(
                connection,
                [
                    DueSchedule(
                        ScheduleDefinition(*(row[column] for column in _DEFINITION)),
                        row["next_start_at"],
                        row["now"],
                        (row["source"], row["collection"]) in busy,
                        tuple(map(Pause, row["paused_from"], row["paused_to"])),
                    )
                    for row in rows
                ],
            )


class DuePass:
    """One pass of a scheduler over the schedules that it has locked."""

    def __init__(self, connection: Connection, schedules: list[DueSchedule]) -> None:
        self._connection = connection
        self._busy = {schedule.definition.key for schedule in schedules if schedule.busy}
        self.schedules = schedules

    async def record(
        self, worker: UUID, fire_times: Sequence[FireTime], advances: Sequence[Advance], *, priority_class: int
    ) -> Counter[str]:
        """Start tasks, write the ledger and advance the schedules. Returns the number of each outcome."""
        undecided = await self._find_undecided(fire_times)
        tasks = await self._start(undecided, priority_class)
        entries: list[_Entry] = []
        waiting: dict[tuple[str, str], datetime] = {}
        for definition, decisions in undecided.items():
            key, task = definition.key, tasks.get(definition.key)
            settled, waits = settle(
                decisions,
                started=task is not None,
                collection_active=key in self._busy,
            )
            entries += [_entry(definition, one, task) for one in settled]
            if waits is not None:
                waiting[key] = waits + definition.delay
        await self._write(worker, entries)
        await self._advance([replace(a, next_start_at=waiting.get(a.key, a.next_start_at)) for a in advances])
        return Counter(entry.outcome for entry in entries)

    async def _find_undecided(self, fire_times: Sequence[FireTime]) -> dict[ScheduleDefinition, list[Decision]]:
        """The decisions about fire times that are not in the ledger yet, by schedule, oldest first."""
        rows = await self._connection.fetch(
            _SQL["undecided_fire_times"],
            [f.definition.source for f in fire_times],
            [f.definition.collection for f in fire_times],
            [f.decision.fire_time for f in fire_times],
        )
        undecided: dict[ScheduleDefinition, list[Decision]] = {}
        for fire_time in (fire_times[ordinal - 1] for ordinal in sorted(row["ordinal"] for row in rows)):
            undecided.setdefault(fire_time.definition, []).append(fire_time.decision)
        return undecided

    async def _start(
        self, undecided: Mapping[ScheduleDefinition, Sequence[Decision]], priority_class: int
    ) -> dict[tuple[str, str], UUID]:
        """Request a task for the first start of each schedule. Returns the new tasks by collection."""
        starts = [
            (definition, first.fire_time)
            for definition, decisions in undecided.items()
            if (first := first_start(decisions)) is not None
        ]
        if not starts:
            return {}
        return await schedule_tasks(
            self._connection,
            [
                NewTask(
                    source=definition.source,
                    collection=definition.collection,
                    source_type=definition.source_type,
                    trigger="schedule",
                    priority_class=priority_class,
                    max_attempts=definition.max_attempts,
                    fire_time=fire_time,
                    pool=definition.pool,
                )
                for definition, fire_time in starts
            ],
        )

    async def _write(self, worker: UUID, entries: Sequence[_Entry]) -> None:
        columns = [[getattr(entry, column) for entry in entries] for column in _ENTRY]
        await self._connection.execute(_SQL["record_fire_times"], worker, *columns)

    async def _advance(self, advances: Sequence[Advance]) -> None:
        columns = [[getattr(advance, column) for advance in advances] for column in _ADVANCE]
        await self._connection.execute(_SQL["advance_schedules"], *columns)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the ledger."""

    source: str
    collection: str
    fire_time: datetime
    outcome: str
    misfire: str
    reason: str | None
    task: UUID | None


def _columns(keys: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [source for source, _ in keys], [collection for _, collection in keys]


def _entry(definition: ScheduleDefinition, settled: Settled, task: UUID | None) -> _Entry:
    started = task if settled.outcome is FireOutcome.STARTED else None
    outcome = settled.outcome.value
    return _Entry(*definition.key, settled.fire_time, outcome, definition.misfire, settled.reason, started)


_DEFINITION: Final = tuple(ScheduleDefinition.__slots__)
_ENTRY: Final = tuple(_Entry.__slots__)
_ADVANCE: Final = tuple(Advance.__slots__)
