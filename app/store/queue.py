"""The queue: the steps of a task, from request to end. Statements that append an event also project it."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import asyncpg

from app.domain.cause import NO_CAUSE
from app.domain.claim import Claim, NewTask
from app.domain.errors import DatabaseBusyError, UnsettledError
from app.domain.pool import DEFAULT_POOL
from app.domain.task import TERMINAL, Status
from app.store.batcher import Batcher
from app.store.jsonb import jsonb_text
from app.store.log import line_columns
from app.store.partitions import with_partitions
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.domain.cause import Cause
    from app.domain.claim import Ending
    from app.store.database import Connection, Pool
    from app.store.notify import Notifier

_SQL: Final = load_statements("queue.sql")

_Answer = TypeVar("_Answer")

# How often a statement is sent whose row keeps changing. A change, a cancellation and a task that is to follow may take
# a try each, so more than these is a bug.
_TRIES: Final = 10
_ENDING_POLL_SECONDS: Final = 0.1


class _Found(NamedTuple):
    """What a request got: a new task, or the active one, which `is_ending` if its cancellation was requested."""

    task: UUID
    is_new: bool
    is_ending: bool


class HeldAttempt(NamedTuple):
    """An attempt that a worker may write for, the number of its last log line (0 for none), and the task to follow."""

    claim: Claim
    last_line: int
    following: NewTask | None

    @classmethod
    def of(cls, claim: Claim, last_line: int, again: Mapping[str, Any] | None) -> HeldAttempt:
        following = NewTask.requested(claim.source, claim.collection, again) if again else None
        return cls(claim, last_line, following)


class TaskQueue:
    """The queue as the API, the scheduler and the workers use it."""

    def __init__(
        self,
        pool: Pool,
        *,
        answer_seconds: float | None = None,
        ending_seconds: float = 0.0,
        notifier: Notifier | None = None,
    ) -> None:
        """Set up the queue.

        Args:
            pool: connections to the database.
            answer_seconds: the longest time that `schedule` takes, including the wait for earlier requests.
            ending_seconds: how much of it may be spent on waiting for an active task that is being canceled.
            notifier: wakes the workers for new tasks and for requests to cancel running ones.
        """
        self._pool = pool
        self._notifier = notifier
        self._answer_seconds = answer_seconds
        self._ending_seconds = ending_seconds
        self._scheduling = Batcher(self._schedule_all)

    async def schedule(self, new: NewTask, *, again: bool = False) -> tuple[UUID, bool]:
        """Request a task: (its UUID, True), or (the active task's UUID, False). Concurrent calls share a statement.

        With `again`, `new` follows an active task that may have read something before this call: one that has begun, or
        a backfill. Nobody who asks for a task wants one that is being canceled: its end is waited for.

        Raises:
            DatabaseBusyError: no answer within `answer_seconds`; a statement that was already sent may still create the
                task.
            UnsettledError: the collection's row kept changing.
        """
        found: _Found | None = None
        try:
            async with asyncio.timeout(self._answer_seconds) as deadline:
                found = await self._scheduling.put(new)
                give_up = time.monotonic() + self._ending_seconds
                while found.is_ending and time.monotonic() < give_up:
                    await asyncio.sleep(_ENDING_POLL_SECONDS)
                    active = (await self._list_active_tasks([new.key])).get(new.key)
                    if active is None or active.task != found.task:
                        found = await self._scheduling.put(new)
                if again and not found.is_new:
                    found = await self._request_again(new)
        except TimeoutError:
            if not deadline.expired():
                raise
            if found is None or again:
                raise DatabaseBusyError("earlier requests are still waiting") from None
        return found.task, found.is_new

    async def _request_again(self, new: NewTask) -> _Found:
        for _ in range(_TRIES):
            # A statement for each request: one that locked several running tasks could deadlock with their endings.
            if active := await self._pool.fetchval(_SQL["request_again"], *new.key, new.request):
                return _Found(active, is_new=False, is_ending=False)
            # The active task has ended.
            if (found := await self._scheduling.put(new)).is_new:
                return found
        raise _unsettled(new)

    async def _schedule_all(self, requests: Sequence[NewTask]) -> list[_Found | Exception]:
        answers: dict[int, _Found] = {}
        for _ in range(_TRIES):
            left = {position: new for position, new in enumerate(requests) if position not in answers}
            if not left:
                break
            # The first of several requests for a collection gets the new task.
            scheduled = await self._schedule_and_notify([*{new.key: new for new in reversed(left.values())}.values()])
            for position, new in left.items():
                if task := scheduled.pop(new.key, None):
                    answers[position] = _Found(task, is_new=True, is_ending=False)
            # If the active task ends before this finds it, the next try schedules a new one.
            busy = {position: new.key for position, new in left.items() if position not in answers}
            active = await self._list_active_tasks({*busy.values()})
            answers |= {position: active[key] for position, key in busy.items() if key in active}
        return [answers.get(position) or _unsettled(new) for position, new in enumerate(requests)]

    async def _schedule_and_notify(self, new: Sequence[NewTask]) -> dict[tuple[str, str], UUID]:
        async with self._notifier.lend_channel() if self._notifier else nullcontext() as channel:
            try:
                scheduled = await self._schedule(new, channel)
                notified = channel is not None
            except asyncpg.ProgramLimitExceededError:
                # The server's queue of notifications is full, which is no reason to refuse tasks.
                scheduled, notified = await self._schedule(new, None), False
        if scheduled and not notified:
            self._notify()
        return scheduled

    async def _schedule(self, new: Sequence[NewTask], channel: str | None) -> dict[tuple[str, str], UUID]:
        return await with_partitions(self._pool, partial(schedule_tasks, self._pool, new, channel=channel))

    def _notify(self) -> None:
        if self._notifier:
            self._notifier.notify()

    async def _list_active_tasks(self, collections: Collection[tuple[str, str]]) -> dict[tuple[str, str], _Found]:
        if not collections:
            return {}
        rows = await self._pool.fetch(_SQL["active_tasks"], *map(list, zip(*collections, strict=True)))
        return {
            (row["source"], row["collection"]): _Found(row["task"], is_new=False, is_ending=row["cancel_requested"])
            for row in rows
        }

    async def claim(
        self,
        worker: UUID,
        limit: int,
        *,
        left: Mapping[tuple[str, str], datetime] | None = None,
        pools: Sequence[str] = (DEFAULT_POOL,),
        started_with: Mapping[str, str] | None = None,
    ) -> list[Claim]:
        """Claim up to `limit` due tasks of `pools` for this worker; none if its lease has expired.

        `left` are the collections that it leaves to other workers, with the time until when, by the database's clock.
        `pools` has no name twice; none at all stands for every pool. `started_with` goes into the events.
        """
        left = left or {}
        left_out = ([source for source, _ in left], [collection for _, collection in left], list(left.values()))
        served = list(pools) or await self._list_waiting_pools()
        values = (worker, limit, *left_out, served, dict(started_with or {}))
        return [Claim(*row) for row in await self._pool.fetch(_SQL["claim_tasks"], *values)]

    async def _list_waiting_pools(self) -> list[str]:
        return [row["pool"] for row in await self._pool.fetch(_SQL["waiting_pools"])]

    async def get_waiting_since(self, claim: Claim, why: str) -> datetime:
        """Since when every attempt of the task was handed back for the same reason; `claim.at` if this is the first.

        `why` is the field of their events: `unknown_since` or `postponed_since`.
        """
        since: datetime | None = await self._pool.fetchval(_SQL["waiting_since"], claim.task, why)
        return since or claim.at

    async def end_attempts(self, worker: UUID, endings: Sequence[Ending]) -> list[Ending]:
        """End attempts. Returns those that were refused, because the worker has lost them.

        This is one statement, unless a cancellation was requested meanwhile or another task is to follow.
        """
        left = list(endings)
        refused: list[Ending] = []
        for _ in range(_TRIES):
            left = await _end(self._pool, worker, left)
            if not left:
                return refused
            # If the attempt is still ours, its row changed meanwhile, its cancellation was requested, or another task
            # is to follow.
            held = {attempt.claim.key: attempt for attempt in await self.list_held_attempts(worker)}
            refused += [ending for ending in left if ending.claim.key not in held]
            left = [
                ending.if_canceled if held[ending.claim.key].claim.cancel_requested and ending.if_canceled else ending
                for ending in left
                if ending.claim.key in held
            ]
            left = await self._end_and_schedule_next(
                worker, left, {key: attempt.following for key, attempt in held.items() if attempt.following}
            )
            if not left:
                return refused
        return refused + left

    async def _end_and_schedule_next(
        self, worker: UUID, endings: Sequence[Ending], following: Mapping[tuple[UUID, int], NewTask]
    ) -> list[Ending]:
        """End the tasks that others are to follow, and schedule those. Returns the endings that are left."""
        ready: list[Ending] = []
        rest: list[Ending] = []
        for ending in endings:
            (ready if ending.status in TERMINAL and ending.claim.key in following else rest).append(ending)

        async def end_tasks(connection: Connection) -> tuple[list[Ending], list[NewTask]]:
            left = await _end(connection, worker, ready, are_followed=True)
            refused = {ending.claim.key for ending in left}
            return left, [following[ending.claim.key] for ending in ready if ending.claim.key not in refused]

        return [*rest, *await self._in_one_transaction(end_tasks)] if ready else rest

    async def _in_one_transaction(
        self, end_tasks: Callable[[Connection], Awaitable[tuple[_Answer, Sequence[NewTask]]]]
    ) -> _Answer:
        """End tasks and schedule the next ones. `end_tasks` returns its answer, and the tasks to schedule after it."""

        async def step() -> tuple[_Answer, bool]:
            async with self._pool.acquire() as connection, connection.transaction():
                answer, following = await end_tasks(connection)
                if following:
                    await schedule_tasks(connection, following)
                return answer, bool(following)

        answer, has_scheduled = await with_partitions(self._pool, step)
        if has_scheduled:
            self._notify()
        return answer

    async def list_held_attempts(self, worker: UUID) -> list[HeldAttempt]:
        """List the attempts that this worker may write for."""
        rows = await self._pool.fetch(_SQL["held_attempts"], worker)
        return [HeldAttempt.of(Claim(*claim), lines, again) for *claim, lines, again in rows]

    async def list_running_claims(self, worker: UUID, *, to_be_canceled: bool = False) -> dict[tuple[UUID, int], bool]:
        """List the keys of this worker's claims, and whether their cancellation was requested.

        With `to_be_canceled`, only those for which it was.
        """
        rows = await self._pool.fetch(_SQL["running_claims"], worker, to_be_canceled)
        return {(row["task"], row["claim"]): row["cancel_requested"] for row in rows}

    async def cancel(self, task: UUID, cause: Cause = NO_CAUSE) -> Status | None:
        """Cancel a queued task, or request the cancellation of a running one. Only the first request is recorded.

        Returns CANCELED, or RUNNING while a worker still has to end it; None if the task does not exist or has ended.

        Raises:
            UnsettledError: the task is active, but could not be canceled.
        """
        following: NewTask | None = None
        for _ in range(_TRIES):
            status = await self._cancel(task, following, cause)
            if status is not None:
                if status == Status.RUNNING:
                    self._notify()
                return Status(status)
            active = await self._pool.fetchrow(_SQL["uncanceled_task"], task)
            if active is None:
                return None
            if again := active["again"]:
                following = NewTask.requested(active["source"], active["collection"], again)
            is_ahead = active["is_ahead"]
        raise _uncanceled(task, is_ahead=is_ahead)

    async def _cancel(self, task: UUID, following: NewTask | None, cause: Cause) -> str | None:
        async def cancel(on: Pool | Connection) -> str | None:
            status: str | None = await on.fetchval(_SQL["cancel_task"], task, following is not None, cause.data)
            return status

        if following is None:
            return await cancel(self._pool)

        async def end_task(connection: Connection) -> tuple[str | None, list[NewTask]]:
            status = await cancel(connection)
            return status, [following] if status == Status.CANCELED else []

        return await self._in_one_transaction(end_task)


async def schedule_tasks(
    on: Pool | Connection, new: Sequence[NewTask], *, channel: str | None = None
) -> dict[tuple[str, str], UUID]:
    """Queue the tasks whose collection has no active one: {(source, collection): task}. Notifies `channel` of them.

    Raises:
        asyncpg.CheckViolationError: the week's partition is missing; see `with_partitions`.
    """
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
                n.pool,
            )
            # Always in the same order, so that two replicas with the same collections cannot deadlock.
            for n in sorted(new, key=attrgetter("key"))
        ),
        strict=True,
    )
    rows = await on.fetch(_SQL["schedule_tasks"], *map(list, columns), channel, _causes(new))
    return {(row["source"], row["collection"]): row["task"] for row in rows}


def _causes(new: Sequence[NewTask]) -> dict[str, dict[str, Any]] | None:
    """What the events say about their causes, by source and collection; None if nobody caused any, as in a schedule."""
    causes: dict[str, dict[str, Any]] = {}
    for each in new:
        if data := each.cause.data:
            causes.setdefault(each.source, {})[each.collection] = data
    return causes or None


async def schedule_or_follow(on: Connection, new: NewTask) -> UUID | None:
    """Queue a task; if its collection has an active one that has begun, or is a backfill, let it follow that one.

    Returns the new task or the active one; None if the row of the collection has changed meanwhile.

    Raises:
        asyncpg.CheckViolationError: the week's partition is missing; see `with_partitions`.
    """
    scheduled = await schedule_tasks(on, [new])
    return scheduled.get(new.key) or await on.fetchval(_SQL["request_again"], *new.key, new.request)


def _unsettled(new: NewTask) -> UnsettledError:
    return UnsettledError("the queue of {}/{} keeps changing; gave up, try again".format(*new.key))


def _uncanceled(task: UUID, *, is_ahead: bool | None) -> UnsettledError:
    match is_ahead:
        case None:
            why = "the store has lost its row; run 'syncline projections rebuild collections'"
        case True:
            why = "the database has moved to a server with lower transaction IDs; run 'syncline migrate'"
        case False:
            why = "its row kept changing; try again"
    return UnsettledError(f"task {task} was not canceled: {why}")


async def _end(
    on: Pool | Connection, worker: UUID, endings: Sequence[Ending], *, are_followed: bool = False
) -> list[Ending]:
    """End attempts in one statement. Returns those that were not ended."""
    rows = await on.fetch(_SQL["end_attempts"], worker, *ending_columns(endings, are_followed=are_followed))
    return [endings[row["ordinal"] - 1] for row in rows]


async def rescue_attempts(on: Connection) -> list[dict[str, Any]]:
    """End the attempts of workers that are gone: rows of source, collection, task, attempt, status.

    Tasks that are to follow the ended ones are scheduled, so it needs a transaction.

    Raises:
        asyncpg.CheckViolationError: the week's partition is missing; see `with_partitions`.
    """
    rescued = [dict(row) for row in await on.fetch(_SQL["rescue_attempts"])]
    again = [(row, request) for row in rescued if (request := row.pop("again"))]
    if again:
        await schedule_tasks(on, [NewTask.requested(row["source"], row["collection"], r) for row, r in again])
    return rescued


def ending_columns(endings: Sequence[Ending], *, are_followed: bool = False) -> list[Any]:
    """The parameters of `end_attempts`: one list for each column of the endings and of their log lines.

    The last one says whether the same transaction schedules the tasks that are to follow.
    """
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
        [e.line for e in endings],
        *line_columns([e.lines for e in endings], now=time.monotonic()),
        are_followed,
    ]
