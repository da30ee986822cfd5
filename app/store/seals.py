"""Seals of weeks of events: makes them, and reads what they are compared with.

Sealing is a function in the database: see migration 0027 and docs/decisions/0042-sealed-history.md.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from app.domain.seal import FIRST_WEEK, Seal, SealedEvent, first_id, time_of
from app.domain.seal_redactions import ToldRedaction, told_redactions
from app.store.projections import transaction
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from app.store.database import Connection, Pool

_SQL: Final = load_statements("seals.sql")
# Hashing a week of a large history takes longer than other statements are allowed to.
_TIMEOUT_SECONDS: Final = 3600.0
_BATCH: Final = 5_000
_WEEK: Final = timedelta(days=7)
# The event that tells of a redaction gets its id in the same transaction, a moment before.
_ONE_REDACTION: Final = timedelta(minutes=1)


class Sealed(NamedTuple):
    """The result of `seal_weeks`: the new seals, and why a week is left to try again soon; None if none is."""

    seals: Sequence[Seal]
    delay: str | None


class OpenWeek(NamedTuple):
    """A week with events that no seal is about, how many of its tasks are active, and the time of its last event."""

    week: date
    active: int
    changed_at: datetime


async def seal_weeks(pool: Pool) -> Sealed:
    """Seal the weeks that are complete. Any number of replicas may call it at once; one of them does the work."""
    seals = []
    try:
        while row := await pool.fetchrow(_SQL["seal_week"], timeout=_TIMEOUT_SECONDS):
            seals.append(Seal(*row))
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        return Sealed(seals, str(error))
    return Sealed(seals, None)


async def list_seals(pool: Pool) -> list[Seal]:
    """The whole chain, in the order of the numbers."""
    return [Seal(*row) for row in await pool.fetch(_SQL["list_seals"])]


async def list_archivable(pool: Pool, keep: timedelta) -> list[Seal]:
    """The seals of weeks that retention may remove when tasks are kept for this time."""
    return [Seal(*row) for row in await pool.fetch(_SQL["archivable_seals"], keep)]


async def list_differing(pool: Pool) -> list[date]:
    """The weeks that retention keeps because they are not as they were sealed."""
    return await pool.fetchval(_SQL["differing_weeks"]) or []


async def list_unarchived(pool: Pool) -> list[date]:
    """The weeks that retention keeps because an archive is wanted and they are not in it."""
    return await pool.fetchval(_SQL["unarchived_weeks"]) or []


async def list_open_weeks(pool: Pool, seals: Sequence[Seal]) -> list[OpenWeek]:
    """The weeks with events that none of the current `seals` is about."""
    weeks = []
    low = first_id(date.min)
    while (task := await pool.fetchval(_SQL["next_task"], low)) is not None:
        seal = next((seal for seal in seals if first_id(seal.week) <= task < first_id(seal.before)), None)
        if seal is None:
            week, before = _week_of(task)
            ids = first_id(week), first_id(before)
            active = await pool.fetchval(_SQL["active_tasks"], *ids)
            weeks.append(OpenWeek(week, active, await pool.fetchval(_SQL["last_change"], *ids)))
        low = first_id(seal.before if seal else before)
    return weeks


async def list_collections(pool: Pool, tasks: Sequence[UUID]) -> dict[UUID, str]:
    """The collections of these tasks, as `source/collection`, as far as they are known."""
    rows = await pool.fetch(_SQL["names_of_tasks"], tasks)
    return {row["task"]: f"{row['source']}/{row['collection']}" for row in rows}


async def list_unexplained_redactions(pool: Pool) -> list[tuple[UUID, int, str]]:
    """Task, version and field of redactions that no event tells of; retention keeps the events that do."""
    return [
        (task, version, field)
        for task, version, field, fact, redacted_at, is_told in await pool.fetch(_SQL["redactions"])
        if not is_told or abs(redacted_at - time_of(fact)) > _ONE_REDACTION
    ]


async def list_told_redactions(pool: Pool) -> list[ToldRedaction]:
    """The redactions that events tell of."""
    rows = await pool.fetch(_SQL["redaction_events"])
    return [told for row in rows for told in told_redactions(row["task"], row["xid"], row["data"])]


async def get_horizon(pool: Pool) -> date:
    """The day from which on retention has removed nothing."""
    return await pool.fetchval(_SQL["retention_horizon"]) or date.min


class SealedWeek:
    """The events that a seal is about, in one snapshot; retention waits meanwhile."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._connection = connection
        self._seal = seal
        self._range = first_id(seal.week), first_id(seal.before)

    async def is_current(self, *, since: int = 0) -> bool:
        """Whether no seal with a number after `since` replaces this one: retention may have added one meanwhile."""
        rows = await self._connection.fetch(_SQL["list_seals"])
        return not any(self._seal.number in row["replaces"] for row in rows if row["number"] > since)

    async def list_named(self) -> list[bytes]:
        """The streams that the seal names, in blocks."""
        return [row["streams"] for row in await self._connection.fetch(_SQL["named_streams"], self._seal.number)]

    async def list_redacted(self) -> set[tuple[UUID, int, str]]:
        """Task, version and field of what was redacted."""
        rows = await self._connection.fetch(_SQL["redacted_fields"], *self._range)
        return {(row["task"], row["version"], row["field"]) for row in rows}

    async def page_events(self) -> AsyncIterator[list[SealedEvent]]:
        """The events in the order of task and version, page by page."""
        redacted: dict[tuple[UUID, int], dict[str, bytes]] = defaultdict(dict)
        for task, version, field, digest in await self._connection.fetch(_SQL["redacted_fields"], *self._range):
            redacted[task, version][field] = digest
        cursor = await self._connection.cursor(_SQL["sealed_events"], *self._range)
        while rows := await cursor.fetch(_BATCH):
            yield [SealedEvent._make((*row, redacted.get((row["task"], row["version"]), {}))) for row in rows]


@asynccontextmanager
async def open_week(pool: Pool, seal: Seal) -> AsyncIterator[SealedWeek]:
    """Open a transaction that reads the events that `seal` is about."""
    async with transaction(pool, snapshot=True) as connection:
        yield SealedWeek(connection, seal)


def _week_of(task: UUID) -> tuple[date, date]:
    day = date(1970, 1, 1) + timedelta(milliseconds=task.int >> 80)
    week = max(day - timedelta(days=day.weekday()), FIRST_WEEK)
    if task < first_id(week):
        week -= _WEEK
    return week, week + _WEEK
