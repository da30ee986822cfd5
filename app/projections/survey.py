"""Reads all events once, for as many projections as are to be rebuilt.

Most streams have ended and contain nothing unusual: the store folds them in SQL (`app.store.folding`). The others, and
the few tasks of each collection that decide its rows, are folded here by `app.domain.task.evolve`, as `verify` does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from app.domain.errors import SynclineError
from app.projections.histories import History
from app.store import folding
from app.store import projections as store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
    from uuid import UUID

    import asyncpg

    from app.projections.collections import Collections
    from app.projections.projection import AsyncProjection, SurveyedGeneration
    from app.store.database import Connection, Pool

_READERS: Final = 2
_STREAMS: Final = 1000


class Survey:
    """Reads every task once: ended ones while the service runs, the others when the queue is stopped.

    Args:
        tasks: whether to correct the rows of ended tasks; they are, too, if asynchronous projections count them.
        asynchronous: the asynchronous projections, with their new generations.
        collections: takes the histories that decide its rows; None to leave them out.
        since: no more events can appear in earlier transactions.
    """

    def __init__(
        self,
        *,
        tasks: bool,
        asynchronous: Sequence[tuple[AsyncProjection, int]],
        collections: Collections | None,
        since: int,
    ) -> None:
        self._surveyed: dict[tuple[str, int], SurveyedGeneration] = {
            (projection.name, generation): surveyed
            for projection, generation in asynchronous
            if (surveyed := projection.survey(generation))
        }
        self._scope = folding.Scope(
            tasks=tasks or bool(self._surveyed), collections=collections is not None, since=since
        )
        self._collections = collections
        self._last_task = folding.BEFORE_ALL
        self._turn = asyncio.Lock()
        self._candidates = _Candidates()
        self._recent: set[UUID] = set()
        self._active: set[UUID] = set()

    async def read(self, pool: Pool) -> None:
        """Take the ended tasks while the service runs.

        Raises:
            IllegalTransitionError: the events of a task are not in a valid order.
            SynclineError: another rebuild of an asynchronous projection has started.
        """
        if not (self._scope.tasks or self._collections is not None):
            return
        await _by_all_readers(partial(self._read_batches, pool))
        for surveyed in self._surveyed.values():
            await _by_all_readers(partial(self._write_parts, pool, surveyed))
        if self._collections is not None:
            async with store.transaction(pool) as connection:
                async for histories in _histories(connection, self._candidates.tasks()):
                    self._take(histories)

    async def read_rest(self, connection: Connection) -> list[History]:
        """Take the tasks that were active during `read`, and new ones. The queue must be stopped."""
        new = await store.list_tasks_touched_since(connection, self._scope.since) - self._recent
        histories = [History.of(stream) for stream in await store.list_streams(connection, new | self._active)]
        self._take(histories)
        return histories

    def last_transaction(self, projection: str) -> int:
        """The last transaction that the projection's new generation has applied; 0 if it has none yet."""
        return self._scope.since - 1 if any(name == projection for name, _ in self._surveyed) else 0

    async def _read_batches(self, pool: Pool) -> None:
        while self._last_task < folding.AFTER_ALL:
            async with self._turn, store.transaction(pool) as connection:
                after, upto = self._last_task, await folding.end_of_batch(connection, self._last_task)
                self._last_task = upto
            if after < upto:
                await self._read_batch(pool, after, upto)

    async def _read_batch(self, pool: Pool, after: UUID, upto: UUID) -> None:
        """Read a batch in one transaction, so that no task is retired before its row is written."""
        left = []
        async with store.transaction(pool) as connection:
            await self._share_checkpoints(connection)
            for row in await folding.fold_streams(connection, after, upto, self._scope):
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
        self._recent.update(history.task.task for history in ended if history.xid >= self._scope.since)
        self._take(ended)
        if ended and self._scope.tasks:
            await store.replace_tasks(connection, [history.tasks_row() for history in ended])

    async def _write_parts(self, pool: Pool, surveyed: SurveyedGeneration) -> None:
        active, is_left = list(self._active), True
        while is_left:
            async with store.transaction(pool) as connection:
                await self._share_checkpoints(connection)
                is_left = await surveyed.write_next(connection, since=self._scope.since, active=active)

    async def _share_checkpoints(self, connection: Connection) -> None:
        """Keep other rebuilds from deleting the generations until the end of the transaction."""
        for projection, generation in self._surveyed:
            if await store.share_checkpoint(connection, projection, generation) is None:
                raise SynclineError(f"another rebuild of {projection} has started, so this one stopped")

    def _take(self, histories: Iterable[History]) -> None:
        if self._collections is not None:
            for history in histories:
                self._collections.take(history)


@dataclass(slots=True)
class _Candidates:
    """Ended tasks that may decide the rows of their collections: all that do, and few others."""

    newest: dict[tuple[str, str, str, str], tuple[int, UUID]] = field(default_factory=dict)
    failures: dict[tuple[str, str], list[tuple[int, UUID]]] = field(default_factory=dict)

    def add(self, row: asyncpg.Record) -> None:
        kind, task, source, collection, name, xid = row
        ended = (xid, task)
        for one in (name, "last") if kind == "collection" else (name,):
            key = (kind, source, collection, one)
            self.newest[key] = max(ended, self.newest.get(key, ended))
        if kind == "collection" and name == "FAILED":
            self.failures.setdefault((source, collection), []).append(ended)

    def tasks(self) -> list[UUID]:
        wanted = {task for _, task in self.newest.values()}
        for (source, collection), failures in self.failures.items():
            success, _ = self.newest.get(("collection", source, collection, "SUCCESS"), (0, None))
            wanted.update(task for xid, task in failures if xid > success)
        return sorted(wanted)


async def _by_all_readers(read: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_READERS):
                group.create_task(read())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _histories(connection: Connection, tasks: Sequence[UUID]) -> AsyncIterator[list[History]]:
    """The histories of these tasks, in batches."""
    for first in range(0, len(tasks), _STREAMS):
        yield [History.of(stream) for stream in await store.list_streams(connection, tasks[first : first + _STREAMS])]
