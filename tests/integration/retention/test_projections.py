"""Nothing is retired that an asynchronous projection has still to apply, whichever that is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

from tests.integration.retention.lives import KEEP, running_era
from tests.servers.postgres import step

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.retention.lives import Era

ADD = """
INSERT INTO syncline.checkpoints (projection, generation, state, xid, updated_at)
VALUES ('another', 1, $1, '0', syncline.clock())
"""
CATCH_UP = "UPDATE syncline.checkpoints SET xid = pg_current_xact_id(), state = 'live' WHERE projection = 'another'"


async def test_retention_waits_for_every_projection(era: Era) -> None:
    before = await _old_and_new(era)
    for state in ("live", "building"):
        await era.admin.execute(ADD, state)
        assert await era.retire()
        assert await era.tasks() == before
        await era.admin.execute("DELETE FROM syncline.checkpoints WHERE projection = 'another'")
    await era.admin.execute(ADD, "live")
    await era.admin.execute(CATCH_UP)
    assert await era.retire()
    assert len(await era.tasks()) == 1


async def test_a_filled_database_goes_back_to_the_one_projection_and_forth(database_url: str) -> None:
    async with running_era(database_url) as era:
        before = await _old_and_new(era)
        await era.admin.execute(ADD, "live")
    step(database_url, "downgrade", "0010")
    step(database_url, "upgrade", "head")
    async with running_era(database_url, prepared=False) as era:
        assert await era.retire()
        assert await era.tasks() == before
    step(database_url, "downgrade", "0010")
    with psycopg.connect(database_url) as connection:
        retired = connection.execute("SELECT syncline.retire_tasks(%s)", [KEEP]).fetchone()
        assert retired == (True,)
        assert connection.execute("SELECT count(*) FROM syncline.tasks").fetchone() == (1,)


async def _old_and_new(era: Era) -> set[UUID]:
    """Two tasks of a collection, of which the first is old enough to go."""
    await era.lived("orders")
    await era.go(KEEP + timedelta(days=7))
    await era.lived("orders")
    await era.service.project()
    return await era.tasks()
