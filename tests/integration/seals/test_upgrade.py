"""Seals go with a downgrade, and everything that is left is sealed anew after an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from app.domain.cause import NO_CAUSE
from app.store.redactions import Redactions
from app.store.seals import list_seals
from tests.integration.retention.lives import KEEP, running_era
from tests.integration.seals.weeks import live_weeks, wrong
from tests.servers.postgres import step

if TYPE_CHECKING:
    from uuid import UUID

BEFORE = "0025"


async def test_a_store_with_seals_goes_down_and_is_sealed_again_after_going_up(database_url: str) -> None:
    kept = await _fill(database_url)
    step(database_url, "downgrade", BEFORE)
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute("SELECT to_regclass('syncline.seals')").fetchone() == (None,)
        assert connection.execute("SELECT syncline.retire_tasks('30 days')").fetchone() == (False,)
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute("SELECT data ->> 'error' FROM syncline.events WHERE task = %s AND version = 4", [kept])
            assert cursor.fetchone() == ("[redacted]",)
    step(database_url, "upgrade", "head")
    async with running_era(database_url, prepared=False) as era:
        assert (await era.seal())[0].number == 1
        assert await wrong(era) == []
        await era.is_sound()


async def _fill(url: str) -> UUID:
    """Three weeks of which retention has left two tasks, one of them with a redacted error; returns that one."""
    async with running_era(url) as era:
        *_, (_, task, _) = await live_weeks(era, 3)
        await Redactions(era.admin).redact(str(task), 4, ["error"], NO_CAUSE)
        await era.go(KEEP)
        assert await era.retire()
        assert len(await list_seals(era.pool)) == 5
        return task
