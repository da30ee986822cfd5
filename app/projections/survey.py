"""One reading of all events, for as many projections as are to be rebuilt.

Most streams have ended and hold nothing unusual: the store folds them by sets (`app.store.folding`). The others, and
of each collection the few tasks that its own rows hang on, are folded here by `app.domain.task.evolve`, as `verify`
does it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.domain.errors import SynclineError
from app.projections.daily import DAILY, DailyStats
from app.projections.histogram import LOG_GAMMA
from app.projections.histories import History
from app.store import folding
from app.store import projections as store
from app.store.daily_stats import add_daily_stats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from app.projections.collections import Collections
    from app.store.database import Connection, Pool

_AT_ONCE: Final = 2
_STREAMS: Final = 1000


class Survey:
    """Every task exactly once: those that have ended while the service runs, the rest when the queue stands still.

    Args:
        tasks: the rows of ended tasks are put right in the list.
        generations: of asynchronous projections, by name. Only the daily statistics are added up here, of the tasks
            that ended before transaction `since`, for the store folds them by sets.
        collections: takes the histories that its rows hang on.
        since: no event of an earlier transaction can appear any more.
    """

    def __init__(
        self, *, tasks: bool, generations: Mapping[str, int], collections: Collections | None, since: int
    ) -> None:
        self._wanted = folding.Wanted(
            tasks=tasks,
            collections=collections is not None,
            generation=generations.get(DAILY),
            bucket_width=LOG_GAMMA,
            since=since,
        )
        self._collections = collections
        self._place = folding.BEFORE_ALL
        self._turn = asyncio.Lock()
        self._candidates = _Candidates()
        self._recent: set[UUID] = set()
        self._active: set[UUID] = set()
        self._stats = DailyStats()

    async def read(self, pool: Pool) -> None:
        """Take the tasks that have ended, while the service runs.

        Raises:
            IllegalTransitionError: a stream is no legal life of a task.
            SynclineError: another rebuild has taken the daily statistics over.
        """
        if not self._wanted.tasks and self._wanted.generation is None and self._collections is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(self._read_batches(pool))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if self._wanted.generation is not None:
            await self._add_statistics(pool, self._wanted.generation)
        if self._collections is not None:
            async with store.transaction(pool) as connection:
                async for histories in _histories(connection, self._candidates.tasks()):
                    self._take(histories)

    async def rest(self, connection: Connection) -> list[History]:
        """What `read` has not taken: tasks that were active then, and new ones. The queue has to stand still."""
        new = await store.list_tasks_touched_since(connection, self._wanted.since) - self._recent
        histories = [History.of(stream) for stream in await store.list_streams(connection, new | self._active)]
        self._take(histories)
        return histories

    def last_transaction(self, projection: str) -> int:
        """The transaction up to which the projection's generation has all; 0 where it has nothing yet."""
        return self._wanted.since - 1 if projection == DAILY else 0

    async def _read_batches(self, pool: Pool) -> None:
        while self._place < folding.AFTER_ALL:
            async with self._turn, store.transaction(pool) as connection:
                after, upto = self._place, await folding.end_of_batch(connection, self._place)
                self._place = upto
            if after < upto:
                await self._read_batch(pool, after, upto)

    async def _read_batch(self, pool: Pool, after: UUID, upto: UUID) -> None:
        """One transaction, so that what was read is not retired before its row is written."""
        left = []
        async with store.transaction(pool) as connection:
            await self._share(connection)
            for row in await folding.fold_streams(connection, after, upto, self._wanted):
                match row["kind"]:
                    case "left":
                        left.append(row["task"])
                    case "recent":
                        self._recent.add(row["task"])
                    case _:
                        self._candidates.add(row)
            async for histories in _histories(connection, left):
                await self._read_one_by_one(connection, histories)

    async def _read_one_by_one(self, connection: Connection, histories: list[History]) -> None:
        ended = [history for history in histories if history.ended]
        self._active.update(history.task.task for history in histories if not history.ended)
        self._recent.update(history.task.task for history in ended if history.xid >= self._wanted.since)
        self._take(ended)
        if ended and self._wanted.tasks:
            await store.replace_tasks(connection, [history.tasks_row() for history in ended])
        for history in ended:
            if history.xid < self._wanted.since:
                self._stats.take(history.task)

    async def _add_statistics(self, pool: Pool, generation: int) -> None:
        """Of what was read one by one; at the end, for batches that add the same days in turn would lock each other."""
        async with store.transaction(pool) as connection:
            await self._share(connection)
            rows = [*self._stats.stats_rows(generation)], [*self._stats.histogram_rows(generation)]
            await add_daily_stats(connection, *rows)

    async def _share(self, connection: Connection) -> None:
        """The generation is ours until the end of the transaction."""
        generation = self._wanted.generation
        if generation is not None and await store.share_checkpoint(connection, DAILY, generation) is None:
            raise SynclineError(f"another rebuild of {DAILY} has started, and this one has stopped in favor of it")

    def _take(self, histories: Iterable[History]) -> None:
        if self._collections is not None:
            for history in histories:
                self._collections.take(history)


@dataclass(slots=True)
class _Candidates:
    """Ended tasks that the rows of their collections may hang on: never too few, at the end hardly too many."""

    newest: dict[tuple[str, str, str, str], tuple[int, UUID]] = field(default_factory=dict)
    failures: dict[tuple[str, str], list[tuple[int, UUID]]] = field(default_factory=dict)

    def add(self, row: asyncpg.Record) -> None:
        kind, task, source, collection, name, xid = row
        place = (xid, task)
        for one in (name, "last") if kind == "collection" else (name,):
            key = (kind, source, collection, one)
            self.newest[key] = max(place, self.newest.get(key, place))
        if kind == "collection" and name == "FAILED":
            self.failures.setdefault((source, collection), []).append(place)

    def tasks(self) -> list[UUID]:
        wanted = {task for _, task in self.newest.values()}
        for (source, collection), failures in self.failures.items():
            success, _ = self.newest.get(("collection", source, collection, "SUCCESS"), (0, None))
            wanted.update(task for xid, task in failures if xid > success)
        return sorted(wanted)


async def _histories(connection: Connection, tasks: Sequence[UUID]) -> AsyncIterator[list[History]]:
    """The histories of these tasks, some at a time."""
    for first in range(0, len(tasks), _STREAMS):
        yield [History.of(stream) for stream in await store.list_streams(connection, tasks[first : first + _STREAMS])]
