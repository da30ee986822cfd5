"""Backfills for one command: asked for, or asked for one after the other and followed to their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from app.api.backfill_tasks import ask_for_backfill
from app.domain.errors import CollectionBusyError, SynclineError
from app.domain.task import TERMINAL, Status, task_id
from app.store.notify import Notifier
from app.store.queue import TaskQueue
from app.store.reads import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from app.store.database import Pool
    from app.store.queue import NewTask
    from app.store.reads import Row

_POLL_SECONDS: Final = 1.0


async def asked_for(pool: Pool, tasks: Sequence[NewTask], *, tell: Callable[[str], None]) -> None:
    """Ask for the tasks and tell their ids.

    Raises:
        CollectionBusyError: the collection has another active task.
    """
    reader, notifier = Reader(pool), Notifier(pool)
    try:
        for new in tasks:
            task, _ = await ask_for_backfill(TaskQueue(pool, notifier=notifier), reader, new)
            tell(_id(new, task))
    finally:
        await notifier.aclose()


async def carried_out(pool: Pool, tasks: Sequence[NewTask], *, tell: Callable[[str], None]) -> None:
    """Carry out one after the other, each when the collection is free and its schedule has had its turn.

    Raises:
        SynclineError: one has not succeeded; those after it were not asked for.
    """
    reader, notifier = Reader(pool), Notifier(pool)
    queue = TaskQueue(pool, notifier=notifier)
    try:
        for new in tasks:
            task = await _in_turn(queue, reader, new, tell=tell)
            tell(f"{_id(new, task)}: {new.backfill}")
            row = await _ended(reader, task)
            if row["status"] != Status.SUCCESS:
                why = f": {row['error']}" if row["error"] else ""
                raise SynclineError(f"the backfill of {new.backfill} is {row['status']}{why}")
            tell(f"{_id(new, task)}: {row['rows']} rows")
    finally:
        await notifier.aclose()


async def _in_turn(queue: TaskQueue, reader: Reader, new: NewTask, *, tell: Callable[[str], None]) -> UUID:
    waits = ""
    while True:
        if await reader.fire_time_waits(new.source, new.collection):
            why = "the collection's schedule is due"
        else:
            try:
                task, _ = await ask_for_backfill(queue, reader, new)
            except CollectionBusyError as busy:
                why = f"task {busy.task_id} is active"
            else:
                return task
        if why != waits:
            tell(f"{why}, waiting for it")
            waits = why
        await asyncio.sleep(_POLL_SECONDS)


async def _ended(reader: Reader, task: UUID) -> Row:
    while True:
        row = await reader.task(task)
        if row is None:
            raise SynclineError(f"the task {task} is gone")
        if row["status"] in TERMINAL:
            return row
        await asyncio.sleep(_POLL_SECONDS)


def _id(new: NewTask, task: UUID) -> str:
    return task_id(new.source, new.collection, task)
