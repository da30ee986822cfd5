"""The queue: a task's way from asked for to ended, each step one statement that appends and projects at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext, suppress
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from app.domain.claim import Claim
from app.domain.errors import DatabaseBusyError, LeaseLostError, UnsettledError
from app.domain.task import Status
from app.store.batcher import Batcher
from app.store.jsonb import jsonb_text
from app.store.log import line_columns
from app.store.partitions import with_partitions
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.domain.claim import Ending, NewTask
    from app.store.database import Connection, Pool
    from app.store.notify import Notifier

_SQL: Final = load_statements("queue.sql")

# How often a statement is sent again whose row moved under it. Two rounds were never seen; more means a fault.
_ROUNDS: Final = 10


class TaskQueue:
    """The queue as the API, the scheduler and the workers use it."""

    def __init__(self, pool: Pool, *, answer_seconds: float | None = None, notifier: Notifier | None = None) -> None:
        """`answer_seconds` bounds how long `schedule` waits, its place behind others' statement included.

        `notifier` tells the workers of tasks that are new and of running ones that are to be canceled.
        """
        self._pool = pool
        self._notifier = notifier
        self._answer_seconds = answer_seconds
        self._scheduling = Batcher(self._schedule_all)

    async def schedule(self, new: NewTask) -> tuple[UUID, bool]:
        """Ask for a task: (its UUID, True), or (the active task's, False). Calls at the same time share a statement.

        Raises:
            DatabaseBusyError: no answer within `answer_seconds`; a statement that is under way may still make the task.
        """
        try:
            async with asyncio.timeout(self._answer_seconds) as patience:
                return await self._scheduling.put(new)
        except TimeoutError:
            if patience.expired():
                raise DatabaseBusyError("earlier requests are still waiting") from None
            raise

    async def _schedule_all(self, asked: Sequence[NewTask]) -> list[tuple[UUID, bool] | Exception]:
        answers: dict[int, tuple[UUID, bool]] = {}
        for _ in range(_ROUNDS):
            left = [place for place in range(len(asked)) if place not in answers]
            if not left:
                break
            wanted = [asked[place] for place in left]
            scheduled = await self._schedule_and_notify(wanted)
            for place in left:
                # Of several that ask for one collection only the first has asked for a new task.
                if task := scheduled.pop(asked[place].key, None):
                    answers[place] = task, True
            # A task that ends before it is found here is no more in the way: the next round makes a new one.
            busy = [place for place in left if place not in answers]
            active = await self._active_tasks({asked[place].key for place in busy})
            answers |= {place: (active[asked[place].key], False) for place in busy if asked[place].key in active}
        return [answers.get(place) or _unsettled(new) for place, new in enumerate(asked)]

    async def _schedule_and_notify(self, new: Sequence[NewTask]) -> dict[tuple[str, str], UUID]:
        async with self._notifier.lend_channel() if self._notifier else nullcontext() as channel:
            try:
                scheduled = await self._schedule(new, channel)
                told = channel is not None
            except asyncpg.ProgramLimitExceededError:
                # A full queue of notifications must not keep tasks away.
                scheduled, told = await self._schedule(new, None), False
        if scheduled and not told:
            self._notify()
        return scheduled

    async def _schedule(self, new: Sequence[NewTask], channel: str | None) -> dict[tuple[str, str], UUID]:
        return await with_partitions(self._pool, partial(schedule_tasks, self._pool, new, channel=channel))

    def _notify(self) -> None:
        if self._notifier:
            self._notifier.notify()

    async def _active_tasks(self, collections: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
        if not collections:
            return {}
        rows = await self._pool.fetch(_SQL["active_tasks"], *map(list, zip(*collections, strict=True)))
        return {(row["source"], row["collection"]): row["task"] for row in rows}

    async def claim(
        self, worker: UUID, limit: int, *, left: Mapping[tuple[str, str], datetime] | None = None
    ) -> list[Claim]:
        """Up to `limit` due tasks for this worker; none when its lease is over.

        `left` are the collections that it leaves to other workers, each until a moment of the database's clock.
        """
        left = left or {}
        leaves = ([source for source, _ in left], [collection for _, collection in left], list(left.values()))
        return [Claim(*row) for row in await self._pool.fetch(_SQL["claim_tasks"], worker, limit, *leaves)]

    async def get_unknown_since(self, claim: Claim) -> datetime:
        """When the first of the workers took the task that one after the other did not know its collection."""
        since: datetime | None = await self._pool.fetchval(_SQL["unknown_since"], claim.task)
        return since or claim.at

    async def end_attempts(self, worker: UUID, endings: Sequence[Ending]) -> list[Ending]:
        """End attempts together. Returns those that were refused: the worker has lost them."""
        left = list(endings)
        refused: list[Ending] = []
        for _ in range(_ROUNDS):
            rows = await self._pool.fetch(_SQL["end_attempts"], worker, *ending_columns(left))
            left = [left[row["place"] - 1] for row in rows]
            if not left:
                return refused
            # What is still ours was left alone because its row moved meanwhile, or because it is to be canceled.
            held = {claim.key: claim for claim, _ in await self.list_held_attempts(worker)}
            refused += [ending for ending in left if ending.claim.key not in held]
            left = [
                ending.if_canceled if held[ending.claim.key].cancel_requested and ending.if_canceled else ending
                for ending in left
                if ending.claim.key in held
            ]
            if not left:
                return refused
        return refused + left

    async def list_held_attempts(self, worker: UUID) -> list[tuple[Claim, int]]:
        """The attempts that this worker may write for, each with the number of its last log line (0 for none)."""
        rows = await self._pool.fetch(_SQL["held_attempts"], worker)
        return [(Claim(*claim), lines) for *claim, lines in rows]

    async def list_running_claims(self, worker: UUID, *, to_be_canceled: bool = False) -> dict[tuple[UUID, int], bool]:
        """The keys of the claims that this worker has, and whether somebody wants their attempts to end.

        Or of these alone that are `to_be_canceled`.
        """
        rows = await self._pool.fetch(_SQL["running_claims"], worker, to_be_canceled)
        return {(row["task"], row["claim"]): row["cancel_requested"] for row in rows}

    async def save_bookmark(
        self, worker: UUID, claim: Claim, *, commit: int, destination: str, rows: int, bookmark: object
    ) -> None:
        """Remember what a destination has committed; commits of an attempt are numbered, told twice they count once.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
        """
        key = (claim.source, claim.collection, claim.task, claim.number)
        for _ in range(_ROUNDS):
            head = await self._pool.fetchrow(_SQL["bookmark_head"], worker, *key, commit)
            if head is None:
                break
            if head["saved"]:
                return
            what = (destination, rows, bookmark, claim.generation, commit)
            if await self._pool.fetchval(_SQL["save_bookmark"], worker, *key, *what, head["version"]):
                return
        raise LeaseLostError(f"attempt {claim.attempt} of {claim.task_id} no longer belongs to this worker")

    async def get_saved_bookmarks(self, claim: Claim) -> dict[str, Any]:
        """What each destination of the collection has committed last, by its id; none of an older generation."""
        rows = await self._pool.fetch(_SQL["saved_bookmarks"], claim.source, claim.collection, claim.generation)
        return {row["destination"]: row["bookmark"] for row in rows}

    async def report_progress(self, worker: UUID, reports: Sequence[tuple[Claim, Mapping[str, Any]]]) -> int:
        """Append how far attempts have come: of how many, those that are lost or busy at this moment left out."""
        count: int = await self._pool.fetchval(
            _SQL["report_progress"],
            worker,
            [claim.source for claim, _ in reports],
            [claim.collection for claim, _ in reports],
            [claim.task for claim, _ in reports],
            [claim.number for claim, _ in reports],
            [jsonb_text(said) for _, said in reports],
        )
        return count

    async def cancel(self, task: UUID, last_line: str) -> Status | None:
        """End a queued task, ask a running one to end; None when it has ended already, or never was.

        Returns CANCELED, or RUNNING while a worker still has to end it.

        Raises:
            UnsettledError: it is active, and is not to be canceled.
        """
        for _ in range(_ROUNDS):
            status: str | None = None
            # It waited for an attempt that went back into the queue, and has not seen the line that this has written.
            with suppress(asyncpg.UniqueViolationError):
                status = await self._pool.fetchval(_SQL["cancel_task"], task, last_line)
            if status is not None:
                if status == Status.RUNNING:
                    self._notify()
                return Status(status)
            active = await self._pool.fetch(_SQL["active_task"], task)
            if not active:
                return None
        raise _explain_uncanceled(task, younger_server=active[0]["younger_server"])


async def schedule_tasks(
    on: Pool | Connection, new: Sequence[NewTask], *, channel: str | None = None
) -> dict[tuple[str, str], UUID]:
    """Queue the tasks whose collection has no active one: {(source, collection): task}; tell a channel of new ones."""
    columns = zip(
        *(
            (
                n.source,
                n.collection,
                n.source_type,
                n.trigger,
                n.priority_class,
                n.fire_time,
                n.max_attempts,
                n.backfill,
            )
            # In one order by all: two replicas with the same collections would wait for each other for ever.
            for n in sorted(new, key=attrgetter("key"))
        ),
        strict=True,
    )
    rows = await on.fetch(_SQL["schedule_tasks"], *map(list, columns), channel)
    return {(row["source"], row["collection"]): row["task"] for row in rows}


def _unsettled(new: NewTask) -> UnsettledError:
    return UnsettledError("the queue of {}/{} keeps changing; gave up, try again".format(*new.key))


def _explain_uncanceled(task: UUID, *, younger_server: bool | None) -> UnsettledError:
    match younger_server:
        case None:
            why = "the queue has lost it; run 'syncline projections rebuild task_queue'"
        case True:
            why = "the database was restored into a younger server; see Backup and restore in docs/operations.md"
        case False:
            why = "its row in the queue kept changing; try again"
    return UnsettledError(f"task {task} was not canceled: {why}")


async def rescue_attempts(on: Connection) -> list[dict[str, Any]]:
    """Take back the attempts of workers that are gone: rows of source, collection, task, attempt, status."""
    return [dict(row) for row in await on.fetch(_SQL["rescue_attempts"])]


def ending_columns(endings: Sequence[Ending]) -> list[list[Any]]:
    """The values of `end_attempts`: a list for each column of the endings, and of their lines."""
    return [
        [e.claim.source for e in endings],
        [e.claim.collection for e in endings],
        [e.claim.task for e in endings],
        [e.claim.attempt for e in endings],
        [e.claim.number for e in endings],
        [e.type for e in endings],
        [e.status.value for e in endings],
        [e.error for e in endings],
        [e.delay for e in endings],
        [jsonb_text(e.details) for e in endings],
        *line_columns([e.lines for e in endings], now=time.monotonic()),
    ]
