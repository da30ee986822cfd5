"""Notifications: the first goes at once, a storm of them becomes a few, and the last is never swallowed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.store import queue as queue_module
from app.store.notify import _COALESCE_SECONDS, CHANNEL, Notifier, listen
from app.store.queue import TaskQueue, schedule_tasks
from tests.harness import a_task, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from app.domain.claim import NewTask
    from app.store.database import Pool
    from tests.harness import Store


@asynccontextmanager
async def listener(url: str) -> AsyncIterator[list[float]]:
    """When each notification came, by the loop's clock; the listener wakes once by itself when it begins."""
    loop = asyncio.get_running_loop()
    heard: list[float] = []
    listening = asyncio.create_task(listen(url, lambda: heard.append(loop.time())))
    try:
        await until(lambda: asyncio.sleep(0, len(heard)))
        heard.clear()
        yield heard
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_storm_becomes_a_few_notifications_and_what_comes_last_is_told(store: Store, database_url: str) -> None:
    notifier = Notifier(store.pool)
    async with listener(database_url) as heard:
        began = asyncio.get_running_loop().time()
        for _ in range(1000):
            notifier.notify()
            await asyncio.sleep(0)
        await notifier.aclose()
        sent = asyncio.get_running_loop().time()
        notifier.notify()
        await notifier.aclose()
        await until(lambda: asyncio.sleep(0, any(at > sent for at in heard)))
    assert len(heard) <= 3 + (sent - began) / _COALESCE_SECONDS


async def test_a_notification_leaves_the_durability_of_its_connection_as_it_was(store: Store) -> None:
    async with store.pool.acquire() as connection:
        before = await connection.fetchval("SHOW synchronous_commit")
        notifier = Notifier(connection)  # type: ignore[arg-type]
        notifier.notify()
        await notifier.aclose()
        assert await connection.fetchval("SHOW synchronous_commit") == before


async def test_a_new_task_is_told_with_the_statement_that_makes_it_and_the_next_ones_together(
    store: Store, database_url: str
) -> None:
    notifier = _Sent(store.pool)
    queue = TaskQueue(store.pool, notifier=notifier)
    async with listener(database_url) as heard:
        await queue.schedule(a_task("first"))
        await until(lambda: asyncio.sleep(0, heard))
        assert notifier.alone == 0
        heard.clear()
        notifier.still = True
        await asyncio.gather(*(queue.schedule(a_task(f"c{number}")) for number in range(20)))
        assert notifier.alone == 1
        await notifier.aclose()
        await until(lambda: asyncio.sleep(0, heard))


async def test_statements_that_carry_a_notification_leave_the_others_nine_tenths_of_the_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    notifier = Notifier(store.pool)
    async with notifier.lend_channel() as channel:
        assert channel is not None
        async with notifier.lend_channel() as second:
            assert second is None
        now += 10
    for passed, expected in ((0, None), (89, None), (2, CHANNEL)):
        now += passed
        async with notifier.lend_channel() as channel:
            assert channel == expected
    monkeypatch.undo()


async def test_a_full_queue_of_notifications_keeps_no_task_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = []

    async def full(pool: Pool, new: Sequence[NewTask], *, channel: str | None) -> dict[tuple[str, str], UUID]:
        channels.append(channel)
        if channel:
            raise asyncpg.ProgramLimitExceededError("too many notifications in the NOTIFY queue")
        return await schedule_tasks(pool, new)

    monkeypatch.setattr(queue_module, "schedule_tasks", full)
    notifier = _Sent(store.pool)
    assert (await TaskQueue(store.pool, notifier=notifier).schedule(a_task("first")))[1]
    assert (channels, notifier.alone) == (["syncline", None], 1)
    await notifier.aclose()


@pytest.mark.parametrize("alone", [pytest.param(False, id="with its statement"), pytest.param(True, id="alone")])
async def test_who_asks_for_an_active_task_tells_nobody(store: Store, *, alone: bool) -> None:
    notifier = _Sent(store.pool)
    notifier.still = alone
    heard: list[object] = []
    await store.schedule("busy")
    await store.admin.add_listener(CHANNEL, lambda *notification: heard.append(notification[-1]))
    assert not (await TaskQueue(store.pool, notifier=notifier).schedule(a_task("busy")))[1]
    await notifier.aclose()
    await store.pool.execute("SELECT pg_notify($1, 'the last')", CHANNEL)
    await until(lambda: asyncio.sleep(0, "the last" in heard))
    assert heard == ["the last"]


class _Sent(Notifier):
    """Counts the notifications that no statement has carried; while it is `still` none may."""

    alone = 0
    still = False

    def notify(self) -> None:
        self.alone += 1
        super().notify()

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[str | None]:
        async with super().lend_channel() as channel:
            yield None if self.still else channel
