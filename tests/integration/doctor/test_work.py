"""What the doctor sees of workers, tasks, schedules and projections."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.doctor import work
from app.store.outages import Outages
from app.store.pauses import Pauses
from tests.harness import FOREVER
from tests.integration.doctor.looking import installation_at, look, look_once

if TYPE_CHECKING:
    from tests.harness import Store

ADD_SCHEDULE = """
INSERT INTO syncline.schedules
  (source, collection, source_type, max_attempts, expression, timezone, misfire, next_fire_at, active, updated_at)
VALUES ('s', $1, 'none', 1, '@hourly', 'UTC', 'skip', syncline.clock() + interval '1 second', true, syncline.clock())
"""


async def test_without_a_worker_nothing_is_claimed(store: Store, database_url: str) -> None:
    found = await look_once(work.look_at_workers, installation_at(database_url))
    assert found == (
        "workers",
        "warn",
        "none is alive: nothing is claimed and no schedule fires",
        "Start 'syncline worker'.",
    )
    worker = await store.worker()
    await store.claimed(worker)
    found = await look_once(work.look_at_workers, installation_at(database_url))
    assert found == ("workers", "ok", "1 worker alive, 1 of 8 slots in use; release 1", "")


async def test_a_lost_worker_is_named(store: Store, database_url: str) -> None:
    await store.worker(lease=FOREVER)
    await store.worker(lease=-FOREVER)
    await store.worker(lease=2 * FOREVER)
    alive, lost = await look(work.look_at_workers, installation_at(database_url))
    assert alive[1:3] == ("ok", "2 workers alive, 0 of 16 slots in use; release 1")
    assert lost[1:3] == ("warn", "1 lost in the last hour: here (pid 1)")


async def test_tasks_that_wait_for_long_are_warned_of(store: Store, database_url: str) -> None:
    await store.schedule()
    found = await look_once(work.look_at_queue, installation_at(database_url))
    assert found[1:3] == ("ok", "1 task waiting, 0 running")
    await store.move_clock("1 hour")
    _, state, text, _ = await look_once(work.look_at_queue, installation_at(database_url))
    assert state == "warn"
    assert text.startswith("1 task waiting, 0 running; the oldest has been waiting for 1h")


async def test_a_destination_that_cannot_be_reached_is_named_with_what_waits_for_it(
    store: Store, database_url: str
) -> None:
    found = await look_once(work.look_at_outages, installation_at(database_url))
    assert found[1:3] == ("ok", "no task waits for a destination")
    await store.schedule()
    await store.schedule("c", "elsewhere")
    error = "destination 'lake': cannot connect: refused"
    times = {"first": timedelta(), "longest": timedelta()}
    await Outages(store.pool).report("lake", ["s"], error, is_probe=False, **times)
    _, state, text, remedy = await look_once(work.look_at_outages, installation_at(database_url))
    assert state == "warn"
    assert text.startswith("1 task waiting for destination 'lake', which cannot be reached since 20")
    assert text.endswith(f"): {error}")
    assert remedy.startswith("Start its server, or correct its address: one task tries it again")


async def test_tasks_that_wait_in_a_pause_need_no_worker(store: Store, database_url: str) -> None:
    await store.schedule(pool="nobody's")
    await Pauses(store.pool).pause("s", None)
    await store.move_clock("1 hour")
    found = await look_once(work.look_at_queue, installation_at(database_url))
    assert found[1:3] == ("ok", "0 tasks waiting, 0 running, 1 paused")
    assert (await look_once(work.look_at_pools, installation_at(database_url)))[1] == "ok"


async def test_a_pool_whose_tasks_nobody_will_claim_is_named(store: Store, database_url: str) -> None:
    await store.worker(pools=["eu"])
    await store.worker(lease=-FOREVER, pools=["my pool"])
    await store.schedule("served", pool="eu")
    found = await look_once(work.look_at_pools, installation_at(database_url))
    assert found == ("pools", "ok", "every pool with waiting tasks has a worker", "")
    for collection in ("first", "second"):
        await store.schedule(collection, pool="my pool")
    await store.schedule("third")
    await store.admin.execute(
        "UPDATE syncline.collections SET run_at = '2026-01-31 12:00:00+00' WHERE collection = 'first'"
    )
    usual, other = await look(work.look_at_pools, installation_at(database_url))
    assert usual[1:3] == ("warn", usual[2])
    assert usual[2].startswith("no worker serves pool 'default': 1 task waiting, the first since ")
    _, state, text, remedy = other
    assert state == "warn"
    assert text.startswith(
        "no worker serves pool 'my pool': 2 tasks waiting, the first since 2026-01-31 12:00:00 UTC ("
    )
    assert remedy.startswith("Start \"syncline worker --pool 'my pool'\". ")
    await store.worker(pools=[])
    assert await look_once(work.look_at_pools, installation_at(database_url)) == found


async def test_a_task_that_is_not_due_yet_needs_no_worker(store: Store, database_url: str) -> None:
    await store.schedule(pool="eu")
    await store.admin.execute("UPDATE syncline.collections SET run_at = syncline.clock() + interval '1 hour'")
    assert (await look_once(work.look_at_pools, installation_at(database_url)))[1] == "ok"


async def test_a_schedule_that_should_have_fired_is_a_failure(store: Store, database_url: str) -> None:
    for collection in ("first", "busy"):
        await store.admin.execute(ADD_SCHEDULE, collection)
    # Its next task waits for this one.
    await store.schedule("busy")
    found = await look_once(work.look_at_schedules, installation_at(database_url))
    assert found == ("schedules", "ok", "2 schedules, none is late", "")
    await store.move_clock("1 hour")
    _, state, text, _ = await look_once(work.look_at_schedules, installation_at(database_url))
    assert state == "fail"
    assert text.startswith("1 of 2 schedules should have fired: s.first is 59m")


async def test_a_projection_that_is_far_behind_is_warned_of(store: Store, database_url: str) -> None:
    found = await look_once(work.look_at_projections, installation_at(database_url))
    assert found == ("projections", "ok", "daily_collection_stats is 0s behind the events", "")
    await store.schedule()
    await store.move_clock("1 hour")
    _, state, text, remedy = await look_once(work.look_at_projections, installation_at(database_url))
    assert state == "warn"
    assert text.startswith("daily_collection_stats is 1h")
    assert remedy.startswith("See whether a worker is alive and no old transaction is open")


async def test_in_an_old_schema_what_cannot_be_seen_is_said(store: Store, database_url: str) -> None:
    await store.admin.execute("ALTER TABLE syncline.workers RENAME COLUMN release TO version")
    _, state, text, remedy = await look_once(work.look_at_workers, installation_at(database_url))
    assert (state, remedy) == ("warn", "Run 'syncline migrate'.")
    assert text.startswith("cannot be seen in a schema of this version: column w.release does not exist")
