"""`verify` tells what differs from the fold of the events, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from app.projections import PROJECTIONS, rebuild, verify
from app.projections.verify import Drift
from app.store.resets import reset_collection
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from tests.integration.projections.service import Service


async def test_projections_equal_the_fold_after_every_kind_of_event(service: Service) -> None:
    await service.history()
    await service.project()
    assert await verify(service.pool) == []


async def test_statistics_that_lag_are_compared_up_to_their_checkpoint(service: Service) -> None:
    await service.live("orders")
    await service.project()
    await service.live("orders")
    assert await verify(service.pool) == []


OF_AN_ACTIVE_TASK = """
INSERT INTO syncline.tasks
SELECT n.* FROM syncline.collections c,
       jsonb_populate_record(NULL::syncline.tasks, to_jsonb(c) || jsonb_build_object('finished_at', now())) n
WHERE c.status = 'SCHEDULED'
"""


@pytest.mark.parametrize(
    ("projection", "garble", "column"),
    [
        (
            "tasks",
            "UPDATE syncline.tasks SET rows = rows + 1 WHERE collection = 'users' AND status = 'SUCCESS'",
            "rows",
        ),
        ("tasks", "DELETE FROM syncline.tasks WHERE collection = 'items' AND status = 'FAILED'", "row"),
        ("tasks", "UPDATE syncline.tasks SET task = syncline.uuid7(now()) WHERE collection = 'visits'", "row"),
        (
            "tasks",
            OF_AN_ACTIVE_TASK,
            "row",
        ),
        ("collections", "UPDATE syncline.collections SET priority = 1 WHERE collection = 'users'", "priority"),
        ("collections", "DELETE FROM syncline.collections WHERE collection = 'users'", "row"),
        ("collections", "UPDATE syncline.collections SET consecutive_failures = 9", "consecutive_failures"),
        ("bookmarks", "UPDATE syncline.bookmarks SET bookmark = '1' WHERE collection = 'users'", "bookmark"),
        ("daily_collection_stats", "UPDATE syncline.daily_collection_stats SET rows = 1", "rows"),
        ("daily_collection_stats", "DELETE FROM syncline.daily_collection_histogram", "row"),
    ],
)
async def test_a_row_changed_behind_our_back_is_told_and_a_rebuild_puts_it_right(
    service: Service, database_url: str, projection: str, garble: str, column: str
) -> None:
    await service.history()
    await service.project()
    _execute(database_url, garble)
    drifts = await verify(service.pool)
    assert {(drift.projection, drift.column) for drift in drifts} == {(projection, column)}
    await rebuild(service.pool, projection)
    await service.project()
    assert await verify(service.pool) == []
    assert await service.pool.fetchval(f"SELECT count(*) FROM syncline.{projection}") > 0


async def test_only_the_first_differences_are_told(service: Service, database_url: str) -> None:
    for number in range(7):
        await service.live(f"c{number}")
    _execute(database_url, "UPDATE syncline.tasks SET rows = 1, version = 7")
    assert await verify(service.pool, limit=3) == (await verify(service.pool))[:3]


async def test_a_difference_names_what_was_expected_and_what_was_found(service: Service, database_url: str) -> None:
    task = await service.live("orders", rows=10)
    _execute(database_url, "UPDATE syncline.tasks SET rows = 11")
    (drift,) = await verify(service.pool)
    assert drift == Drift("tasks", str(task), "rows", 10, 11)
    assert str(drift) == f"tasks {task}: rows: expected 10, found 11"


@pytest.mark.parametrize(("value", "shown"), [(None, "nothing"), ("", "''"), ("a\nb", r"'a\nb'"), (False, "False")])
def test_a_difference_is_one_line_whatever_was_found(value: object, shown: str) -> None:
    assert str(Drift("tasks", "key", "error", 1, value)) == f"tasks key: error: expected 1, found {shown}"


async def test_a_stream_with_a_gap_is_told(service: Service, database_url: str) -> None:
    task = await service.schedule("orders")
    _execute(
        database_url,
        "INSERT INTO syncline.events (task, version, type, at, status, attempt)"
        " VALUES (%s, 3, 'TaskStarted', now(), 'RUNNING', 1)",
        task,
    )
    drifts = await verify(service.pool)
    assert [(drift.projection, drift.key) for drift in drifts if drift.projection == "events"] == [
        ("events", str(task))
    ]


async def test_bookmarks_of_before_a_reset_are_void(service: Service) -> None:
    await service.live("orders")
    before, late = await service.schedule("orders"), await service.claim()
    assert [claim.task for claim in late] == [before]
    await reset_collection(service.pool, "shop", "orders")
    await service.save(late[0], 5, {"id": 5})  # an attempt that the reset has overtaken
    assert await verify(service.pool) == []
    assert await rebuild(service.pool, "bookmarks") == 0
    await service.end(late[0])
    await service.live("orders")
    assert await rebuild(service.pool, "bookmarks") == 1
    assert await verify(service.pool) == []


async def test_bookmarks_from_which_no_attempt_would_start_are_void(service: Service, database_url: str) -> None:
    await reset_collection(service.pool, "shop", "orders")
    await service.live("orders")
    assert await rebuild(service.pool, "bookmarks") == 1
    # As where somebody has put back some of the tables: the next attempt asks for bookmarks of the generation 0.
    _execute(database_url, "DELETE FROM syncline.resets")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT destinations FROM reporting.collections").fetchall() == [(None,)]
    assert [drift.projection for drift in await verify(service.pool)] == ["resets"]
    assert await rebuild(service.pool, "bookmarks") == 0
    assert (await rebuild(service.pool, "resets"), await rebuild(service.pool, "bookmarks")) == (1, 1)


async def test_the_order_of_tasks_does_not_hang_on_the_clock(service: Service, database_url: str) -> None:
    await service.live("orders")
    _execute(database_url, f"ALTER DATABASE {database_name(database_url)} SET syncline.clock_offset = '-1 day'")
    await service.pool.expire_connections()
    await service.live("orders")
    for name in PROJECTIONS:
        await rebuild(service.pool, name)
    assert await verify(service.pool) == []
    assert await service.pool.fetchval("SELECT sum(success) FROM syncline.daily_collection_stats") == 2


def _execute(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode(), values)
