"""Log lines of the last runs stay, those of older ones go when their week is over; fire times go with the tasks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.domain.task import Status
from app.store.reads import LogFilter, Reader
from app.store.retention import retire
from app.store.schedules import ScheduleDefinition, Schedules
from tests.integration.retention.lives import KEEP, Era

if TYPE_CHECKING:
    from uuid import UUID

WEEK = timedelta(days=7)


async def test_lines_of_the_last_runs_of_each_collection_stay(era: Era) -> None:
    rare = await era.lived("rare", lines=20)
    runs = [await era.lived("often", lines=20) for _ in range(10)]
    failure = await era.lived("often", Status.FAILED)
    last = await era.lived("often")
    await era.go(WEEK)
    everything = await era.tasks()
    assert await era.retire(keep=None, last_runs=3)
    assert await era.logged() == {rare, runs[-1], failure, last}
    assert await era.tasks() == everything
    assert await era.pool.fetchval("SELECT count(*) FROM syncline.log_events WHERE task = $1", runs[-1]) == 20
    await era.is_sound()


async def test_a_log_whose_lines_were_removed_says_so_and_still_tells_how_the_task_lived(era: Era) -> None:
    canceled = await era.service.schedule("often")
    await era.service.queue.cancel(canceled)
    runs = [await era.lived("often", lines=20) for _ in range(10)]
    quiet = await era.lived("quiet", lines=0)
    await era.go(WEEK)
    whole = await _messages(era, runs[0])
    assert whole == ["Running task...", *(f"line {number}" for number in range(20)), "FINISHED SUCCESSFULLY"]
    assert await era.retire(keep=None, last_runs=1)
    gone, *rest = await _messages(era, runs[0])
    assert gone.startswith("older log lines were removed: see server.sync_tasks.store_logs.last_runs")
    assert rest == [whole[0], whole[-1]]
    assert await _messages(era, runs[0], after=(0, 0)) == rest
    assert await _messages(era, runs[0], tail=2) == rest
    assert await _messages(era, runs[-1]) == whole
    # What never had a line of its own has lost none.
    assert await _messages(era, canceled) == ["CANCELED while it was queued"]
    assert await _messages(era, quiet) == rest


async def _messages(era: Era, task: UUID, **given: Any) -> list[str]:
    selection = LogFilter(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), **given)
    rows = [row async for page in Reader(era.pool).page_log(task, selection) for row in page]
    return [re.sub(r"^\[\w+_[-0-9a-f]{36}\] ", "", row["message"]) for row in rows]


async def test_lines_of_this_week_stay(era: Era) -> None:
    runs = {await era.lived("often") for _ in range(10)}
    assert await era.retire(keep=None, last_runs=1)
    assert await era.logged() == runs


async def test_a_week_of_which_more_than_half_stays_is_left_alone(era: Era) -> None:
    for collection in ("a", "a", "b", "c", "d"):
        await era.lived(collection)
    before = await era.partitions("log_events")
    await era.go(WEEK)
    assert await era.retire(keep=None, last_runs=1)
    assert len(await era.logged()) == 5
    assert set(before) <= set(await era.partitions("log_events"))


async def test_the_last_success_keeps_its_lines_however_long_ago(era: Era) -> None:
    success = await era.lived("orders")
    failures = [await era.lived("orders", Status.FAILED) for _ in range(8)]
    await era.go(WEEK)
    assert await era.retire(keep=None, last_runs=2)
    assert await era.logged() == {success, *failures[-2:]}


async def test_a_week_is_looked_at_once_a_day(era: Era) -> None:
    assert await era.retire(keep=None, last_runs=1)
    runs = [await era.lived("often") for _ in range(4)]
    seen = "SELECT logs_seen_at FROM syncline.retention"
    before = await era.pool.fetchval(seen)
    assert await era.retire(keep=None, last_runs=1)
    assert await era.pool.fetchval(seen) == before
    await era.go(WEEK)
    assert await era.retire(keep=None, last_runs=1)
    assert await era.pool.fetchval(seen) > before
    assert await era.logged() == {runs[-1]}


async def test_lines_go_with_their_task_however_short_ago_the_logs_were_seen(era: Era) -> None:
    old = await era.lived("orders")
    await era.go(KEEP + WEEK)
    assert await era.retire(last_runs=1)
    assert await era.logged() == {old}
    last = await era.lived("orders")
    assert await era.retire(last_runs=1)
    assert await era.tasks() == await era.logged() == {last}


async def test_lines_go_with_their_task_even_if_most_of_the_week_stays(era: Era) -> None:
    rare = [await era.lived(collection) for collection in "wxyz"]
    waited_long = {await era.service.schedule(collection) for collection in "abc"}
    await era.go(timedelta(days=10))
    assert await era.service.end(*await era.service.claim()) == []
    for collection in "abc":
        await era.lived(collection)
    await era.go(timedelta(days=13))
    assert await era.retire(last_runs=1)
    assert waited_long <= await era.tasks() - await era.logged()
    await era.go(timedelta(days=4))
    await era.lived("w")
    assert await era.retire(last_runs=1)
    assert not {*waited_long, rare[0]} & await era.tasks()
    assert await era.logged() == await era.tasks()


async def test_without_a_limit_everything_stays(era: Era) -> None:
    for _ in range(4):
        await era.lived("orders")
    await era.go(10 * KEEP)
    before = await era.logged(), await era.tasks(), await era.partitions("events")
    assert await era.retire(keep=None, last_runs=None)
    assert (await era.logged(), await era.tasks(), await era.partitions("events")) == before


async def test_fire_times_go_with_the_tasks_but_none_that_is_still_to_be_decided(era: Era) -> None:
    now: datetime = await era.pool.fetchval("SELECT syncline.clock()")
    await era.go(timedelta(days=40))
    await _decided(era, *(now + day * timedelta(days=1) for day in range(40)))
    schedule = ScheduleDefinition("shop", "orders", "synthetic", 3, "@daily", "UTC", "all", None)
    await Schedules(era.pool).put([(schedule, now + timedelta(days=15))])
    assert (await retire(era.pool, keep=KEEP, last_runs=None)).complete
    assert await _fire_times(era) == [now + day * timedelta(days=1) for day in range(14, 40)]
    await Schedules(era.pool).end([schedule.key])
    assert (await retire(era.pool, keep=KEEP, last_runs=None)).complete
    assert await _fire_times(era) == [now + day * timedelta(days=1) for day in range(21, 40)]


async def _decided(era: Era, *fire_times: datetime) -> None:
    await era.pool.executemany(
        "INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, worker, decided_at)"
        " VALUES ('shop', 'orders', $1, 'missed', 'skip', gen_random_uuid(), $1)",
        [(fire_time,) for fire_time in fire_times],
    )


async def _fire_times(era: Era) -> list[datetime]:
    return [row[0] for row in await era.pool.fetch("SELECT fire_time FROM syncline.fire_times ORDER BY 1")]
