"""Tasks whose source cannot be read before a later time: they wait without a failure, and say until when and why."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.events import ATTEMPT_HANDED_BACK
from app.domain.task import Status
from app.store.pauses import Pauses
from app.store.reads import Reader
from tests.harness import a_task, ending, running_worker, until, write_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from uuid import UUID

    from tests.harness import Store

QUOTA = "source 'shop', collection 'orders': shop.py, line 12, in orders: the quota is used up"
CODE = """
import datetime as dt
from pathlib import Path

from syncline import Bookmark, RetryLater, Schema


@Schema(columns={"id": int}, mode="incremental")
def orders(context):
    for number in range(context.bookmark or 0, 4):
        if not Path(context.config["open"]).exists() and number == context.config["quota"]:
            raise RetryLater(dt.timedelta(minutes=context.config["minutes"]), "the quota is used up")
        yield {"id": number}
        yield Bookmark(number + 1)
"""


class Shop:
    """A source that gives `quota` rows and then asks for a wait; once it is open, it gives the rest."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self._directory = directory
        self._url = database_url
        (directory / "shop.py").write_text(CODE)

    def config(self, *, quota: int = 0, minutes: int = 60, **keys: Any) -> Path:
        given = {"open": str(self._directory / "open"), "quota": quota, "minutes": minutes}
        config = {"function": "shop", "path": str(self._directory), "config": given}
        source = {"type": "python", "destinations": ["warehouse"], "config": config, "collections": ["orders"]} | keys
        warehouse = {"type": "postgres", "url": self._url, "schema": "loaded"}
        return write_config(self._directory / "syncline.yaml", {"shop": source}, {"warehouse": warehouse})

    def open(self) -> None:
        (self._directory / "open").touch()


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Shop:
    return Shop(tmp_path, database_url)


async def postponed(store: Store, task: UUID, *, times: int = 1) -> Mapping[str, Any]:
    """Wait until the task was handed back so often: what the last event says."""

    async def data() -> Mapping[str, Any] | None:
        events = [event for event in await store.events(task) if event.type == ATTEMPT_HANDED_BACK]
        return events[-1].data if len(events) >= times else None

    return await until(data)


async def loaded(store: Store) -> list[int]:
    return [row["id"] for row in await store.admin.fetch("SELECT id FROM loaded.shop_orders ORDER BY id")]


async def test_a_task_waits_as_long_as_its_source_asks_and_then_succeeds_without_a_failure(
    store: Store, database_url: str, shop: Shop
) -> None:
    config = shop.config()
    task = await store.schedule("orders", "shop", max_attempts=1)
    async with running_worker(database_url, config):
        data = await postponed(store, task)
        waiting = (await Reader(store.pool).get_task(task) or {})["waiting"]
        assert waiting["reason"] == data["reason"] == QUOTA
        assert waiting["until"].isoformat() == data["run_at"]
        assert await store.pool.fetchval("SELECT run_at - changed_at > '59 minutes' FROM syncline.collections")
        assert await store.queue.schedule(a_task("orders", "shop")) == (task, False), (
            "a request gets the task that waits"
        )
        line = await store.logged(task, "was handed back")
        at = re.escape(f"{waiting['until']:%Y-%m-%d %H:%M:%SZ}")
        assert re.search(
            rf"attempt 1 was handed back after [0-9.]+ seconds: waiting until {at} because {re.escape(QUOTA)}$", line
        )
    shop.open()
    await store.move_clock("61 minutes")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert (await store.folded(task)).failures == 0
    assert "waiting" not in (await Reader(store.pool).get_task(task) or {})


async def test_what_was_read_before_the_wait_is_not_read_again(store: Store, database_url: str, shop: Shop) -> None:
    task = await store.schedule("orders", "shop")
    async with running_worker(database_url, shop.config(quota=2)):
        first = await postponed(store, task)
    assert await loaded(store) == [0, 1]
    await store.move_clock("61 minutes")
    async with running_worker(database_url, shop.config(quota=2)):
        second = await postponed(store, task, times=2)
    assert second["postponed_since"] == first["postponed_since"]
    shop.open()
    await store.move_clock("130 minutes")
    async with running_worker(database_url, shop.config(quota=2)):
        assert await store.ended(task) == "SUCCESS"
    assert await loaded(store) == [0, 1, 2, 3]


async def test_a_longer_wait_than_max_delay_fails_and_says_so(store: Store, database_url: str, shop: Shop) -> None:
    task = await store.schedule("orders", "shop")
    async with running_worker(database_url, shop.config(minutes=60, max_delay="30m")):
        assert await store.ended(task) == "FAILED"
    error = str((await store.folded(task)).error)
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    assert re.fullmatch(
        rf"{re.escape(QUOTA)}\. It would have to wait from {when} to {when}, longer than 'max_delay' \(30m\) allows: "
        "request the task again then, or raise 'max_delay'",
        error,
    )
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "TaskFailed"], "another attempt cannot help"


async def test_waits_in_a_row_are_one_wait_unless_rows_come_between(
    store: Store, database_url: str, shop: Shop
) -> None:
    task = await store.schedule("orders", "shop")
    async with running_worker(database_url, shop.config(max_delay="90m")):
        first = await postponed(store, task)
    await store.move_clock("61 minutes")
    async with running_worker(database_url, shop.config(max_delay="90m", quota=2)):
        second = await postponed(store, task, times=2)
    assert second["postponed_since"] > first["postponed_since"]
    await store.move_clock("122 minutes")
    async with running_worker(database_url, shop.config(max_delay="90m", quota=2)):
        assert await store.ended(task) == "FAILED", "it has waited for 60 minutes, and would for 60 more"


async def test_a_task_that_waits_can_be_canceled(store: Store, database_url: str, shop: Shop) -> None:
    task = await store.schedule("orders", "shop")
    async with running_worker(database_url, shop.config()):
        await postponed(store, task)
        assert await store.queue.cancel(task) == "CANCELED"
    assert await store.status(task) == "CANCELED"


async def test_a_paused_collection_stays_in_the_queue_when_its_wait_is_over(store: Store) -> None:
    worker, pauses = await store.worker(), Pauses(store.pool)
    claim = await store.claimed(worker)
    delay = timedelta(hours=1)
    back = ending(claim, ATTEMPT_HANDED_BACK, Status.SCHEDULED, delay=delay, details={"postponed_since": claim.at})
    assert await store.queue.end_attempts(worker, [back]) == []
    await pauses.pause("s", "c")
    await store.admin.execute("UPDATE syncline.collections SET run_at = syncline.clock()")
    assert await store.queue.claim(worker, 10) == []
    assert await pauses.resume("s", "c")
    assert (await store.claim(worker)).task == claim.task
