"""Projections in PostgreSQL: streams to fold, checkpoints, and the rows that a rebuild replaces.

Functions with a connection run inside the caller's transaction, whose isolation decides what they see.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from app.domain.events import TERMINAL, Event, upcast
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    import asyncpg

    from app.store.database import Connection, Pool

_SQL: Final = load_statements("projections.sql")
_BATCH_EVENTS: Final = 5000
# Smaller, because a worker folds them between its tasks.
_BATCH_FOLLOWED: Final = 1000
_BEFORE_ALL: Final = UUID(int=0)
_TERMINAL: Final = sorted(TERMINAL)

Row: TypeAlias = dict[str, Any]
# Projections that are small enough to be replaced in one statement.
Replaced: TypeAlias = Literal["collections", "table_schemas"]
# Projections of the facts beside the tasks.
OfFacts: TypeAlias = Literal["pauses", "resets"]


@dataclass(frozen=True, slots=True)
class Stream:
    """All events of a task, oldest first, and the transactions that appended them."""

    events: Sequence[Event]
    xids: Sequence[int]

    @property
    def task(self) -> UUID:
        return self.events[0].task


class Retention(NamedTuple):
    """`rounds` grows whenever events are retired. Days before `sealed_before` may have lost some of their events."""

    rounds: int
    sealed_before: date


class RetiredFailures(NamedTuple):
    """The number of failures since the task `success` (None: before any success) whose events were retired."""

    success: UUID | None
    failures: int


@asynccontextmanager
async def transaction(pool: Pool, *, snapshot: bool = False) -> AsyncIterator[Connection]:
    """A transaction that reads streams. With `snapshot` it is read-only, and all statements see the same snapshot."""
    isolation: Literal["repeatable_read", "read_committed"] = "repeatable_read" if snapshot else "read_committed"
    async with pool.acquire() as connection, connection.transaction(isolation=isolation, readonly=snapshot):
        if snapshot:
            await hold_events(connection)
        await connection.execute(_SQL["plan_streams"])
        yield connection


async def list_next_streams(connection: Connection, after: UUID | None) -> list[Stream]:
    """The next whole streams after that of a task, or the first ones, in the order of tasks; empty at the end."""
    return _streams(await connection.fetch(_SQL["stream_batch"], after or _BEFORE_ALL, _BATCH_EVENTS))


async def list_streams(connection: Connection, tasks: Collection[UUID]) -> list[Stream]:
    """The streams of these tasks."""
    return _streams(await connection.fetch(_SQL["streams_of"], tasks))


async def get_horizon(pool: Pool) -> int:
    """The transaction id below which no more events can appear."""
    xid: int = await pool.fetchval(_SQL["horizon"])
    return xid


async def list_tasks_touched_since(connection: Connection, xid: int) -> set[UUID]:
    """The tasks with events of this transaction or a later one."""
    return {row["task"] for row in await connection.fetch(_SQL["touched_since"], xid)}


async def hold_events(connection: Connection) -> None:
    """Prevent events from being retired until this transaction ends."""
    await connection.execute(_SQL["hold_events"])


async def get_retention(on: Pool | Connection) -> Retention:
    """The current state of retention."""
    row = await on.fetchrow(_SQL["retention"])
    return Retention(row["rounds"], row["sealed_before"] or date.min) if row else Retention(0, date.min)


async def list_retired_failures(connection: Connection) -> dict[tuple[str, str], RetiredFailures]:
    """Failures that `consecutive_failures` counts although their events are gone, by source and collection."""
    rows = await connection.fetch(_SQL["retired_failures"])
    return {(row["source"], row["collection"]): RetiredFailures(row["success"], row["failures"]) for row in rows}


async def stop_the_queue(connection: Connection) -> None:
    """Prevent events from being appended until this transaction ends."""
    await connection.execute(_SQL["stop_the_queue"])


async def plan_sets(connection: Connection) -> None:
    """Let the planner choose freely until the end of the transaction, because whole tables are compared."""
    await connection.execute(_SQL["plan_sets"])


async def replace_tasks(connection: Connection, rows: Sequence[Row]) -> None:
    """Make the rows of these tasks equal to the given ones; equal rows are not written. Active tasks get no row."""
    await plan_sets(connection)
    await connection.execute(_SQL["drop_wrong_tasks"], _plain(rows))
    await connection.execute(_SQL["add_missing_tasks"], _plain(rows))


async def count_tasks(pool: Pool) -> int:
    """The number of tasks that have ended."""
    count: int = await pool.fetchval(_SQL["count_tasks"])
    return count


async def replace_all(connection: Connection, projection: Replaced, rows: Sequence[Row]) -> None:
    """Make a projection's rows equal to the given ones; equal rows are not written."""
    await plan_sets(connection)
    await connection.execute(_SQL[f"drop_wrong_{projection}"], _plain(rows))
    await connection.execute(_SQL[f"add_missing_{projection}"], _plain(rows))


async def cancel_displaced(connection: Connection, tasks: Collection[UUID], error: str) -> None:
    """Cancel active tasks that are not the last ones of their collections. The queue must be stopped."""
    await connection.execute(_SQL["cancel_displaced"], tasks, error)


async def list_all_rows(connection: Connection, projection: Replaced | OfFacts) -> list[asyncpg.Record]:
    """All rows of a projection."""
    return await connection.fetch(_SQL[f"all_{projection}"])


async def list_tasks_between(connection: Connection, after: UUID | None, upto: UUID | None) -> list[asyncpg.Record]:
    """The rows of tasks after one task up to another; None is the beginning or the end."""
    return await connection.fetch(_SQL["tasks_between"], after or _BEFORE_ALL, upto)


async def list_expected_bookmarks(connection: Connection, saved: Iterable[tuple[UUID, int]]) -> list[asyncpg.Record]:
    """The rows of bookmarks that these events (task, version) saved, without void ones."""
    tasks, versions = _columns(saved, 2)
    return await connection.fetch(_SQL["expected_bookmarks"], tasks, versions)


async def list_found_bookmarks(connection: Connection) -> list[asyncpg.Record]:
    """The stored rows of bookmarks, without void ones."""
    return await connection.fetch(_SQL["found_bookmarks"])


async def replace_bookmarks(connection: Connection, saved: Iterable[tuple[UUID, int]]) -> int:
    """Replace all bookmarks with those that these events (task, version) saved; return their number."""
    tasks, versions = _columns(saved, 2)
    await connection.execute(_SQL["drop_bookmarks"])
    written = await connection.execute(
        f"INSERT INTO syncline.bookmarks {_SQL['expected_bookmarks']}",
        tasks,
        versions,
    )
    return _count(written)


async def list_expected_rows(connection: Connection, projection: OfFacts) -> list[asyncpg.Record]:
    """The rows of a projection of facts, as the facts say."""
    return await connection.fetch(_SQL[f"expected_{projection}"])


async def hold_facts(connection: Connection) -> None:
    """Prevent pauses, resets and set bookmarks until this transaction ends."""
    await connection.execute(_SQL["hold_facts"])


async def rebuild_from_facts(connection: Connection, projections: Iterable[OfFacts]) -> dict[str, int]:
    """Make the rows of these projections those that the facts say. Returns the number of rows of each."""
    await hold_facts(connection)
    await plan_sets(connection)
    return {projection: _count(await connection.execute(_SQL[f"rebuild_{projection}"])) for projection in projections}


async def find_generation_behind(pool: Pool, projection: str) -> int | None:
    """The live generation, if there are events that it has not applied; else None."""
    generation: int | None = await pool.fetchval(_SQL["behind"], projection)
    return generation


async def get_live_checkpoint(connection: Connection, projection: str) -> tuple[int, int] | None:
    """The live generation, and the last transaction that it has applied."""
    row = await connection.fetchrow(_SQL["live_checkpoint"], projection)
    return (row["generation"], row["xid"]) if row else None


async def take_checkpoint(connection: Connection, projection: str, generation: int) -> int | None:
    """Lock a generation's checkpoint: its transaction id; None if another replica holds it, or it is gone."""
    xid: int | None = await connection.fetchval(_SQL["take_checkpoint"], projection, generation)
    return xid


async def hold_checkpoint(connection: Connection, projection: str, generation: int) -> int | None:
    """Wait for the lock on a generation's checkpoint: its transaction id; None if it is gone."""
    xid: int | None = await connection.fetchval(_SQL["hold_checkpoint"], projection, generation)
    return xid


async def share_checkpoint(connection: Connection, projection: str, generation: int) -> int | None:
    """Keep other rebuilds from deleting a generation's checkpoint: its transaction id; None if it is gone."""
    xid: int | None = await connection.fetchval(_SQL["share_checkpoint"], projection, generation)
    return xid


async def move_checkpoint(connection: Connection, projection: str, generation: int, xid: int) -> None:
    """Record that a generation has applied all events up to this transaction."""
    await connection.execute(_SQL["move_checkpoint"], projection, generation, xid)


async def find_next_transactions(connection: Connection, after: int) -> tuple[int, int] | None:
    """The next whole transactions: (id of the last one, number of events); None if there are none."""
    row = await connection.fetchrow(_SQL["next_transactions"], after, _BATCH_FOLLOWED)
    return (row["xid"], row["events"]) if row else None


async def list_ended_streams(connection: Connection, after: int, upto: int) -> list[Stream]:
    """The streams that ended in the transactions after `after` up to `upto`."""
    return _streams(await connection.fetch(_SQL["streams_that_ended"], after, upto, _TERMINAL))


async def begin_generation(connection: Connection, projection: str) -> int:
    """Add a generation next to the live one; delete one that another rebuild was building."""
    await connection.execute(_SQL["hold_checkpoints"], projection)
    generation: int = await connection.fetchval(_SQL["begin_generation"], projection)
    return generation


async def go_live(connection: Connection, projection: str, generation: int) -> None:
    """Make reports read this generation."""
    await connection.execute(_SQL["end_live_generation"], projection)
    await connection.execute(_SQL["go_live"], projection, generation)


def _count(status: str) -> int:
    """The number of rows that a statement has written."""
    return int(status.rpartition(" ")[2])


def _plain(rows: Iterable[Row]) -> list[Row]:
    """Rows with UUIDs as text: the JSON encoder does not know asyncpg's subclass of UUID."""
    return [{name: str(value) if isinstance(value, UUID) else value for name, value in row.items()} for row in rows]


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _streams(rows: Iterable[asyncpg.Record]) -> list[Stream]:
    return [_stream(list(own)) for _, own in groupby(rows, key=itemgetter("task"))]


def _stream(rows: Sequence[asyncpg.Record]) -> Stream:
    return Stream(events=[_event(row) for row in rows], xids=[row["xid"] for row in rows])


def _event(row: asyncpg.Record) -> Event:
    task, version, type_, v, at, status, attempt, worker, data, line, _xid = row
    v, data = upcast(type_, v, data)
    return Event(task, version, type_, at, status, attempt, worker, data, v, line)
