"""Others ask for syncs in transactions of their own; workers make tasks of what has committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app.config.watch import CatalogueWatcher
from app.execution.catalogue_changes import CatalogueChanges
from app.requested_syncs import RequestedSyncs
from app.store.catalogue_parts import CatalogueParts
from app.store.catalogues import Catalogues
from app.store.database import connect
from app.store.pauses import Pauses
from app.store.sync_requests import SyncRequests
from tests.harness import opened_store, synthetic, write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.harness import Store

ASK = "SELECT syncline.request_sync($1, $2, $3)"
REQUESTS = "SELECT count(*) FROM syncline.sync_requests"


@pytest.fixture
async def watcher(tmp_path: Path) -> CatalogueWatcher:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(a={}, b={})})
    watcher = CatalogueWatcher(config, {})
    await watcher.refresh()
    return watcher


@pytest.fixture
def syncs(store: Store, watcher: CatalogueWatcher) -> RequestedSyncs:
    return RequestedSyncs(SyncRequests(store.pool), watcher, scheduled=lambda: None)


@pytest.fixture
async def caller(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that may ask for syncs, and nothing else."""
    connection = await connect(database_url)
    await connection.execute("SET SESSION AUTHORIZATION syncline_request")
    try:
        yield connection
    finally:
        await connection.close()


async def data_of(store: Store, type_: str) -> list[dict[str, Any]]:
    return [row["data"] for row in await store.pool.fetch("SELECT data FROM syncline.events WHERE type = $1", type_)]


async def test_a_task_is_made_when_the_transaction_of_the_caller_has_committed(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with caller.transaction():
        await caller.execute(ASK, "s", "a", "orders were imported")
        await syncs.step()
        assert await data_of(store, "TaskScheduled") == []
        # Nobody waits for this transaction.
        await asyncio.wait_for(store.schedule("b", "s"), 30)
    await syncs.step()
    [_, task] = await data_of(store, "TaskScheduled")
    assert (task["collection"], task["note"]) == ("a", "orders were imported")
    assert task["who"] == {"kind": "database", "name": "syncline_request"}
    assert await store.pool.fetchval(REQUESTS) == 0


async def test_what_was_rolled_back_asks_for_nothing(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    transaction = caller.transaction()
    await transaction.start()
    await caller.execute(ASK, "s", "a", None)
    await transaction.rollback()
    await syncs.step()
    assert await data_of(store, "TaskScheduled") == []


async def test_a_trigger_that_asks_for_each_row_makes_one_task(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    await caller.execute("SELECT syncline.request_sync('s', 'a') FROM generate_series(1, 1000)")
    assert await store.pool.fetchval(REQUESTS) == 1
    await syncs.step()
    assert len(await data_of(store, "TaskScheduled")) == 1


async def test_a_request_is_not_lost_behind_one_that_another_transaction_has_made(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A worker may make the task of the first one, and the task may read, before the second one commits."""
    await store.admin.execute("SELECT syncline.request_sync('s', 'a')")
    async with caller.transaction():
        await caller.execute(ASK, "s", "a", None)
        await syncs.step()
        worker = await store.worker()
        assert await store.end(worker, await store.claim(worker))
    await syncs.step()
    assert len(await data_of(store, "TaskScheduled")) == 2


async def test_one_collection_whose_queue_cannot_be_changed_does_not_hold_up_the_others(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    await store.claimed(await store.worker(), "a", source="s")
    await store.admin.execute("UPDATE syncline.collections SET xid = '999999999999'")
    for collection in ("a", "b"):
        await caller.execute(ASK, "s", collection, None)
    await syncs.step()
    assert [data["collection"] for data in await data_of(store, "TaskScheduled")] == ["a", "b"]
    assert await store.pool.fetchval(REQUESTS) == 1


async def test_a_request_during_a_run_is_followed_by_one_more_task(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, "a")
    for _ in range(3):
        await caller.execute(ASK, "s", "a", None)
        await syncs.step()
    assert await store.end(worker, claim)
    assert len(await data_of(store, "TaskScheduled")) == 2
    assert [data["who"]["name"] for data in await data_of(store, "RunAgainRequested")] == ["syncline_request"]


async def test_a_request_in_a_pause_waits_as_a_task(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    await Pauses(store.pool).pause("s", None)
    await caller.execute(ASK, "s", "a", None)
    await syncs.step()
    assert len(await data_of(store, "TaskScheduled")) == 1
    assert await store.queue.claim(await store.worker(), 1) == []


async def test_several_workers_make_one_task_of_each_request(
    store: Store, watcher: CatalogueWatcher, caller: asyncpg.Connection[asyncpg.Record]
) -> None:
    workers = [RequestedSyncs(SyncRequests(store.pool), watcher, scheduled=lambda: None) for _ in range(4)]
    for collection in ("a", "b"):
        await caller.execute(ASK, "s", collection, None)
    await asyncio.gather(*(worker.step() for worker in workers))
    assert sorted(data["collection"] for data in await data_of(store, "TaskScheduled")) == ["a", "b"]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (("s", None, None), asyncpg.NullValueNotAllowedError),
        (("s", "a", "n" * 1001), asyncpg.InvalidParameterValueError),
        (("s", "a", "bell\a"), asyncpg.InvalidParameterValueError),
        (("s", "a", "turned \u202e"), asyncpg.InvalidParameterValueError),
    ],
)
async def test_what_cannot_be_a_request_is_an_error(
    caller: asyncpg.Connection[asyncpg.Record], wrong: tuple[str | None, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await caller.execute(ASK, *wrong)


async def test_a_replica_with_an_older_catalogue_ends_no_transaction_of_others(
    store: Store, syncs: RequestedSyncs, caller: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    older = CatalogueWatcher(write_config(tmp_path / "older.yaml", {"s": synthetic(b={})}), {})
    await older.refresh()
    await CatalogueChanges(CatalogueParts(store.pool), Catalogues(store.pool), older).step()
    await caller.execute(ASK, "s", "a", None)
    await RequestedSyncs(SyncRequests(store.pool), older, scheduled=lambda: None).step()
    await syncs.step()
    assert [data["collection"] for data in await data_of(store, "TaskScheduled")] == ["a"]


async def test_what_stays_unknown_is_refused_by_an_event(
    store: Store,
    syncs: RequestedSyncs,
    caller: asyncpg.Connection[asyncpg.Record],
    watcher: CatalogueWatcher,
    database_url: str,
) -> None:
    await caller.execute(ASK, "s", "gone", "why")
    await syncs.step()
    assert await store.pool.fetchval(REQUESTS) == 1, "another worker may know it"
    await store.move_clock("3 minutes")
    async with opened_store(database_url) as later:
        await RequestedSyncs(SyncRequests(later.pool), watcher, scheduled=lambda: None).step()
    [refused] = await data_of(store, "SyncRefused")
    assert (refused["source"], refused["collection"], refused["note"]) == ("s", "gone", "why")
    assert "doesn't exist" in refused["reason"]
    assert refused["who"] == {"kind": "database", "name": "syncline_request"}
    assert await store.pool.fetchval(REQUESTS) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "TABLE syncline.sync_requests",
        "TABLE syncline.events",
        "TABLE reporting.tasks",
        "DELETE FROM syncline.sync_requests",
        "INSERT INTO syncline.sync_requests DEFAULT VALUES",
        "SELECT syncline.clock()",
        "SET ROLE syncline_app",
    ],
)
async def test_the_role_may_ask_and_nothing_else(caller: asyncpg.Connection[asyncpg.Record], statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await caller.execute(statement)
