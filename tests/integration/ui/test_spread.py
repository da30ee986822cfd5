"""A schedule that is spread: its fire times, and how much later its tasks start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.integration.api.serving import TOKEN
from tests.integration.ui.visitors import log_in, opened

if TYPE_CHECKING:
    from tests.harness import Store

FIRES = datetime(2031, 1, 1, 8, tzinfo=UTC)
DELAY = timedelta(minutes=4, seconds=32)
CATALOGUE = """
sources:
  load:
    type: synthetic
    destinations: [nowhere]
    collections: [{name: quick, schedule: 0 8 * * *, spread: 10m}]
destinations: {nowhere: {type: none}}
"""
ROW = """
INSERT INTO syncline.schedules
  (source, collection, source_type, max_attempts, expression, timezone, misfire, next_fire_at, delay, active,
   updated_at)
VALUES ('load', 'quick', 'synthetic', 3, '0 8 * * *', 'UTC', 'latest', $1, $2, true, $1)
"""


async def test_fire_times_are_told_with_the_delay_of_the_task(database_url: str, store: Store) -> None:
    await store.admin.execute(ROW, FIRES + DELAY, DELAY)
    server = f"server: {{admin_token: {TOKEN}}}"
    async with opened(database_url, catalogue=f"{server}{CATALOGUE}") as visitor:
        await log_in(visitor)
        document = (await visitor.get("/api/v1/sources", headers={"X-Admin-Token": TOKEN})).json()
        page = (await visitor.get("/collection?source=load&collection=quick")).text
    [collection] = document["sources"][0]["collections"]
    assert collection["next_fire_at"] == "2031-01-01T08:00:00.000000Z"
    assert collection["next_start_at"] == "2031-01-01T08:04:32.000000Z"
    assert "Wed 01 Jan 08:00Z" in page
    assert "A task starts <b>4m32s</b> after each of these times, because of <code>spread</code>." in page
