"""Positions go on from the stored ones, cost nothing in the first incarnation, and are never taken from an old plan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import OperationalError

from app.bootstrap.migrations import alembic_config, migrate
from app.projections.verify import verify
from app.store.queries import load_statements
from tests.harness import opened_store

if TYPE_CHECKING:
    from tests.harness import Store

INCARNATION = 2**48
NEWEST = "SELECT max(xid::text::bigint) FROM syncline.events"


async def move(store: Store, incarnation: int = 0) -> None:
    """As if everything came from a server that was far ahead, in this incarnation."""
    ahead = incarnation * INCARNATION + 10**12
    await store.admin.execute("ALTER TABLE syncline.events DISABLE TRIGGER append_only")
    for table in ("events", "collections", "checkpoints"):
        await store.admin.execute(f"UPDATE syncline.{table} SET xid = ({ahead} + xid::text::bigint)::text::xid8")
    await store.admin.execute("ALTER TABLE syncline.events ENABLE TRIGGER append_only")


@pytest.mark.parametrize(("stored", "entered"), [(0, 1), (6, 7)])
async def test_what_was_queued_and_running_goes_on_after_a_move(database_url: str, stored: int, entered: int) -> None:
    """Also if only the rows know of earlier moves: logical replication copies no functions."""
    async with opened_store(database_url) as store:
        worker = await store.worker()
        claim = await store.claimed(worker, "running")
        queued = await store.schedule("queued")
        await move(store, stored)
        assert not await store.end(worker, claim)
        assert await asyncio.to_thread(migrate, database_url)
        assert not await asyncio.to_thread(migrate, database_url), "once is enough"
        assert await store.pool.fetchval("SELECT syncline.incarnation()") == entered
        assert await store.end(worker, claim)
        assert (await store.claim(worker)).task == queued
        assert await store.pool.fetchval(NEWEST) > entered * INCARNATION
        assert await verify(store.pool) == []


async def test_a_checkpoint_that_is_ahead_of_all_events_counts_too(store: Store, database_url: str) -> None:
    await store.schedule()
    await store.admin.execute("UPDATE syncline.checkpoints SET xid = '1000000000000'")
    assert await asyncio.to_thread(migrate, database_url)
    assert not await asyncio.to_thread(migrate, database_url)


async def test_a_store_that_has_not_moved_stays_in_its_incarnation(store: Store, database_url: str) -> None:
    await store.schedule()
    assert not await asyncio.to_thread(migrate, database_url)
    assert await store.pool.fetchval("SELECT syncline.incarnation()") == 0
    assert await store.pool.fetchval("SELECT syncline.position('123'::xid8)") == 123


async def test_a_plan_that_was_made_before_a_move_gives_new_positions(store: Store, database_url: str) -> None:
    async with store.pool.acquire() as connection:
        statement = await connection.prepare("SELECT syncline.position('5'::xid8)")
        assert [await statement.fetchval() for _ in range(10)] == [5] * 10
        await store.schedule()
        await move(store)
        await asyncio.to_thread(migrate, database_url)
        assert await statement.fetchval() == INCARNATION + 5


async def test_in_the_first_incarnation_the_planner_leaves_nothing_of_the_functions(store: Store) -> None:
    statement = load_statements("queue.sql")["claim_tasks"]
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute(f"PREPARE claim AS {statement}")
        rows = await connection.fetch(
            "EXPLAIN (VERBOSE)"
            " EXECUTE claim ('01a228ee-a0a2-7ec0-ad04-2f6c53964635', 1, '{}', '{}', '{}', '{default}', '{}')"
        )
    plan = "\n".join(row[0] for row in rows)
    assert "xid <= pg_current_xact_id()" in plan
    assert "position" not in plan
    assert "incarnation" not in plan


async def test_only_the_owner_enters_an_incarnation(store: Store, database_url: str) -> None:
    assert await store.pool.fetchval("SELECT current_user") == "syncline_app"
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE syncline_app")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("SELECT syncline.enter_incarnation()")


async def test_a_store_that_has_moved_does_not_go_back_to_releases_that_know_no_incarnation(
    store: Store, database_url: str
) -> None:
    await store.schedule()
    await move(store)
    await asyncio.to_thread(migrate, database_url)
    with pytest.raises(OperationalError, match="the store has moved to a server with lower transaction ids"):
        await asyncio.to_thread(command.downgrade, alembic_config(database_url), "0014")
    assert await store.pool.fetchval("SELECT syncline.incarnation()") == 1
