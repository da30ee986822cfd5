"""Backfills as tasks: claimed by workers, in turn with syncs, seen by every projection."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from app.projections import verify
from tests.harness import running_worker, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Store

TEN_SECONDS = "2020-01-01T00:00:10Z/2020-01-01T00:00:20Z"
COUNTS = "SELECT count(*), count(DISTINCT id) FROM load_made"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    source = {
        "type": "synthetic",
        "destinations": ["warehouse", "nowhere"],
        "collections": [{"name": "made", "parameters": {"records": 100}}],
    }
    warehouse: dict[str, Any] = {"type": "duckdb", "path": str(tmp_path / "warehouse.duckdb")}
    return write_config(tmp_path / "config.yaml", {"load": source}, {"warehouse": warehouse})


def counts(config: Path) -> Any:
    with duckdb.connect(str(config.parent / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(COUNTS).fetchone()


async def test_a_worker_loads_the_interval_and_every_projection_knows_it(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("made", "load", trigger="backfill", backfill=TEN_SECONDS)
    assert await verify(store.pool) == []
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert counts(config) == (10, 10)
    folded = await store.folded(task)
    assert (folded.backfill, folded.rows) == (TEN_SECONDS, 10)
    assert await store.pool.fetchval("SELECT backfill FROM syncline.all_tasks WHERE task = $1", task) == TEN_SECONDS
    destinations = await store.pool.fetch("SELECT destination FROM syncline.bookmarks")
    assert [row["destination"] for row in destinations] == ["warehouse"], "nothing is known of one that keeps nothing"
    assert await verify(store.pool) == []


async def test_a_backfill_of_made_load_that_nobody_keeps_is_no_sync(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    source = {"type": "synthetic", "destinations": ["nowhere"], "collections": ["made"]}
    config = write_config(tmp_path / "config.yaml", {"load": source})
    task = await store.schedule("made", "load", trigger="backfill", backfill=TEN_SECONDS)
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert any(f"backfill of {TEN_SECONDS}" in message for message in await store.messages(task))


async def test_a_claim_that_is_handed_back_is_still_a_backfill(store: Store) -> None:
    await store.schedule("made", "load", backfill=TEN_SECONDS)
    worker = await store.worker(lease=timedelta(minutes=1))
    claim = await store.claim(worker)
    assert claim.backfill == TEN_SECONDS
    assert await store.queue.list_held_attempts(worker) == [(claim, 0, None)]


async def test_slices_are_loaded_one_after_the_other_and_after_what_is_active(
    store: Store, database_url: str, config: Path
) -> None:
    sync = await store.schedule("made", "load")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "sources", "backfill", "load", "made", "--config", str(config)),
        *("--from", "2020-01-01T00:00:00Z", "--to", "2020-01-01T00:00:25Z", "--slice", "10s"),
        env=os.environ | {"DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    first = await process.stdout.readline()
    assert first.decode() == f"task load_made_{sync} is active; waiting for it\n"
    async with running_worker(database_url, config):
        rest = (await process.stdout.read()).decode().splitlines()
        assert await process.wait() == 0
    assert [line.rpartition(": ")[2] for line in rest] == [
        *("2020-01-01T00:00:00Z/2020-01-01T00:00:10Z", "0 rows"),
        *("2020-01-01T00:00:10Z/2020-01-01T00:00:20Z", "0 rows"),
        *("2020-01-01T00:00:20Z/2020-01-01T00:00:25Z", "0 rows"),
    ]
    assert counts(config) == (100, 100)
