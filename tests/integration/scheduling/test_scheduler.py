"""Every fire time ends in one row of the ledger, whoever looks first, whatever was down."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.domain.misfire import Decision
from app.scheduling import scheduler as scheduler_module
from app.store import schedules as schedules_module
from app.store.pauses import Pauses
from app.store.queries import load_statements
from app.store.schedules import Advance, FireTime
from tests.harness import ending, opened_store, until
from tests.integration.scheduling.scheduling import (
    HOUR,
    NOBODY,
    Catalogues,
    Scheduling,
    a_schedule,
    five_minutes_before,
)

if TYPE_CHECKING:
    from pathlib import Path

SCHEDULES = load_statements("schedules.sql")


async def test_two_schedulers_share_a_thousand_due_schedules_without_firing_one_twice(database_url: str) -> None:
    async with opened_store(database_url, size=6) as store:
        first, second = Scheduling(store), Scheduling(store)
        due = await first.now() - timedelta(seconds=1)
        await first.put(due, *(a_schedule(f"c{number}", "@daily") for number in range(1000)))
        await asyncio.gather(*(scheduling.decide() for scheduling in (first, second, first, second)))
        await first.decide()
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.fire_times WHERE outcome = 'started'") == 1000
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 1000
        assert await store.pool.fetchval("SELECT count(DISTINCT task) FROM syncline.fire_times") == 1000
        assert await store.pool.fetchval("SELECT min(next_fire_at) > syncline.clock() FROM syncline.schedules")
        await first.notifier.aclose()
        await second.notifier.aclose()


async def test_a_started_fire_time_is_in_its_task(scheduling: Scheduling) -> None:
    due = await scheduling.now() - timedelta(seconds=1)
    await scheduling.put(due, a_schedule())
    assert await scheduling.decide() == 1
    row = await scheduling.store.pool.fetchrow(
        "SELECT t.fire_time, t.trigger, t.priority, f.worker FROM syncline.all_tasks t"
        " JOIN syncline.fire_times f USING (task)"
    )
    assert row is not None
    assert (row["fire_time"], row["trigger"], row["worker"]) == (due, "schedule", NOBODY)
    assert row["priority"] // 10**12 == 199  # 200 × 10^12 less the seconds


async def test_a_task_starts_some_time_after_its_fire_time_which_the_ledger_keeps(scheduling: Scheduling) -> None:
    fires, delay = five_minutes_before(await scheduling.now()), timedelta(minutes=7)
    await scheduling.put(fires + delay, a_schedule(delay=delay))
    assert await scheduling.decide() == 0
    await scheduling.store.move_clock("10 minutes")
    await scheduling.store.pool.expire_connections()
    last = five_minutes_before(await scheduling.now() - delay)
    await scheduling.decide()
    ledger = await scheduling.ledger()
    assert ledger[0][0] == fires
    assert ledger[-1] == (last, "started", None)
    assert await scheduling.store.pool.fetchval("SELECT fire_time FROM syncline.collections") == last
    row = await scheduling.row()
    assert (row["last_fire_at"], row["next_fire_at"]) == (last, last + timedelta(minutes=5) + delay)


async def test_a_delayed_fire_time_that_waits_for_a_backfill_keeps_its_delay(scheduling: Scheduling) -> None:
    store, delay = scheduling.store, timedelta(hours=2)
    await store.schedule("c", backfill="2024-01-01T00:00:00Z/2024-02-01T00:00:00Z")
    starts = await scheduling.now() - timedelta(seconds=1)
    await scheduling.put(starts, a_schedule(expression="@every 1h", delay=delay))
    assert await scheduling.decide() == 0
    worker = await store.worker()
    [claim] = await store.queue.claim(worker, 1)
    assert await store.queue.end_attempts(worker, [ending(claim)]) == []
    assert await scheduling.decide() == 1
    assert await scheduling.ledger() == [(starts - delay, "started", None)]


async def test_a_pause_skips_what_would_start_in_it_however_long_ago_it_has_fired(scheduling: Scheduling) -> None:
    delay = timedelta(hours=2)
    await Pauses(scheduling.store.pool).pause("s", "c")
    starts = await scheduling.now()
    await scheduling.put(starts, a_schedule(expression="@every 1h", delay=delay))
    await scheduling.decide()
    assert await scheduling.ledger() == [(starts - delay, "skipped", "paused")]


async def test_a_started_task_is_in_the_pool_of_its_schedule(scheduling: Scheduling) -> None:
    due = await scheduling.now() - timedelta(seconds=1)
    await scheduling.put(due, a_schedule("c", pool="eu"), a_schedule("d"))
    assert await scheduling.decide() == 2
    rows = await scheduling.store.pool.fetch("SELECT pool FROM syncline.collections ORDER BY collection")
    assert [row["pool"] for row in rows] == ["eu", "default"]


async def test_a_fire_time_whose_collection_is_busy_is_skipped(scheduling: Scheduling) -> None:
    await scheduling.store.schedule("c")
    await scheduling.put(await scheduling.now() - timedelta(seconds=1), a_schedule())
    await scheduling.decide()
    [(_, outcome, reason)] = await scheduling.ledger()
    assert (outcome, reason) == ("skipped", "overlap")
    assert await scheduling.store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 1


async def test_fire_times_wait_for_a_backfill_and_the_last_one_starts_at_its_end(scheduling: Scheduling) -> None:
    store = scheduling.store
    await store.schedule("c", backfill="2024-01-01T00:00:00Z/2024-02-01T00:00:00Z")
    begin = five_minutes_before(await scheduling.now()) - timedelta(minutes=10)
    await scheduling.put(begin, a_schedule())
    assert await scheduling.decide() == 0
    assert await scheduling.ledger() == []
    seconds, waits = await scheduling.schedules.get_seconds_until_next(timedelta(seconds=5))
    assert seconds > 0, "what waits is no reason to hurry"
    assert waits
    worker = await store.worker()
    [claim] = await store.queue.claim(worker, 1)
    assert await store.queue.end_attempts(worker, [ending(claim)]) == []
    assert await scheduling.decide() >= 3
    assert (await scheduling.outcomes())["started"] == 1
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks WHERE trigger = 'schedule'") == 1


async def test_three_hours_down_with_latest_start_one_and_miss_the_rest(scheduling: Scheduling) -> None:
    last = five_minutes_before(await scheduling.now())
    begin = last - timedelta(minutes=5 * 35)
    await scheduling.put(begin, a_schedule())
    await scheduling.decide()
    ledger = [row for row in await scheduling.ledger() if row[0] <= last]
    assert Counter(outcome for _, outcome, _ in ledger) == {"missed": 35, "started": 1}
    assert ledger[-1][1] == "started"
    assert {reason for _, outcome, reason in ledger if outcome == "missed"} == {"coalesced"}
    assert [fire_time for fire_time, _, _ in ledger] == [begin + timedelta(minutes=5 * n) for n in range(36)]


async def test_three_hours_down_with_skip_start_nothing(scheduling: Scheduling) -> None:
    begin = await scheduling.now() - 3 * HOUR - timedelta(minutes=1)
    await scheduling.put(begin, a_schedule(expression="@every 1h", misfire="skip"))
    await scheduling.decide()
    assert [row[1:] for row in await scheduling.ledger()] == [("missed", "policy")] * 4


async def test_a_window_bounds_what_is_caught_up(scheduling: Scheduling) -> None:
    now = await scheduling.now()
    definition = a_schedule(expression="@every 1h", misfire_window=timedelta(minutes=100))
    await scheduling.put(now - timedelta(hours=4, minutes=30), definition)
    await scheduling.decide()
    reasons = [reason for _, _, reason in await scheduling.ledger()]
    assert reasons == ["outside_window"] * 3 + ["coalesced", None]


async def test_all_starts_every_missed_one_after_the_other(scheduling: Scheduling) -> None:
    store, now = scheduling.store, await scheduling.now()
    worker = await store.worker()
    await scheduling.put(now - timedelta(hours=2, minutes=30), a_schedule(expression="@every 1h", misfire="all"))
    for number in (1, 2, 3):
        await scheduling.decide()
        assert await scheduling.outcomes() == {"started": number}
        assert await scheduling.decide() == 0, "the next one waits for the task to end"
        await store.end(worker, await store.claim(worker))
    await scheduling.decide()
    assert await scheduling.outcomes() == {"started": 3}


async def test_a_schedule_that_waits_neither_spins_nor_hides_the_others(
    scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = await scheduling.now()
    waiting = [a_schedule(f"w{number}", "@every 1h", misfire="all") for number in range(4)]
    await scheduling.put(now - 5 * HOUR, *waiting)
    await scheduling.decide()
    monkeypatch.setitem(
        schedules_module._SQL,
        "due_schedules",
        SCHEDULES["due_schedules"].replace("LIMIT 1000", "LIMIT 2"),
    )
    assert await scheduling.scheduler.step() >= 0.5
    await scheduling.put(now - timedelta(seconds=1), a_schedule("c"))
    assert await scheduling.decide() == 1
    assert await scheduling.outcomes("c") == {"started": 1}
    assert await scheduling.scheduler.step() == 1, "and is looked at once a second, no more"


async def test_a_scheduler_with_nothing_to_do_looks_seldom(scheduling: Scheduling) -> None:
    assert await scheduling.scheduler.step() == 5
    await scheduling.put(await scheduling.now() + HOUR, a_schedule())
    assert await scheduling.scheduler.step() == 5
    await scheduling.put(await scheduling.now() + timedelta(seconds=3), a_schedule("d"))
    assert 2 < await scheduling.scheduler.step() <= 3, "and in time for the next fire time"


async def test_a_fire_time_that_will_wait_for_a_backfill_is_looked_at_often(scheduling: Scheduling) -> None:
    """Nothing tells of the end of the backfill."""
    await scheduling.store.schedule("c", backfill="2024-01-01T00:00:00Z/2024-02-01T00:00:00Z")
    await scheduling.put(await scheduling.now() + timedelta(seconds=3), a_schedule())
    assert await scheduling.scheduler.step() == 1


async def test_new_definitions_wake_the_scheduler(scheduling: Scheduling, tmp_path: Path) -> None:
    catalogues = Catalogues(scheduling, tmp_path)
    await catalogues.write("@daily")
    assert scheduling.scheduler.wake.is_set()
    scheduling.scheduler.wake.clear()
    await catalogues.step()
    assert not scheduling.scheduler.wake.is_set()


async def test_a_schedule_that_another_replica_has_locked_does_not_make_a_scheduler_spin(
    scheduling: Scheduling,
) -> None:
    await scheduling.put(await scheduling.now() - timedelta(seconds=1), a_schedule())
    async with scheduling.schedules.lock_due() as due:
        assert len(due.schedules) == 1
        assert await scheduling.scheduler.step() >= 0.05


async def test_all_sees_the_task_that_another_replica_has_just_started(
    scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second scheduler gets the row as the first leaves it: it must see its task, too, and wait."""
    store = scheduling.store
    await scheduling.put(await scheduling.now() - 3 * HOUR, a_schedule(expression="@every 1h", misfire="all"))
    async with store.pool.acquire() as connection:
        lock = connection.transaction()
        await lock.start()
        await connection.execute("SELECT FROM syncline.schedules FOR UPDATE")
        statement = SCHEDULES["due_schedules"].replace(" SKIP LOCKED", "")
        monkeypatch.setitem(schedules_module._SQL, "due_schedules", statement)
        second = asyncio.create_task(scheduling.scheduler.decide_due(NOBODY))
        await until(lambda: store.is_waiting("s.misfire_window"))
        await connection.execute("UPDATE syncline.schedules SET next_fire_at = next_fire_at + interval '1 hour'")
        await store.schedule("c")
        await lock.commit()
    assert await second == 0
    assert await scheduling.ledger() == []


async def test_all_keeps_a_fire_time_whose_collection_was_taken_after_the_look(scheduling: Scheduling) -> None:
    """Every fire time gets its task, so this one is neither skipped nor passed over: it waits."""
    definition = a_schedule(expression="@every 1h", misfire="all")
    due_at = await scheduling.now() - 3 * HOUR
    await scheduling.put(due_at, definition)
    async with scheduling.schedules.lock_due() as due:
        await scheduling.store.schedule("c")
        fire_time = FireTime(definition, Decision(due_at))
        outcomes = await due.record(NOBODY, [fire_time], [Advance("s", "c", due_at + HOUR, due_at)], priority_class=200)
    assert outcomes.total() == 0
    assert await scheduling.ledger() == []
    assert (await scheduling.row())["next_fire_at"] == due_at


async def test_a_long_downtime_is_worked_off_in_bounded_passes(
    scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "_MOST_FIRE_TIMES", 50)
    begin = await scheduling.now() - timedelta(minutes=40)
    await scheduling.put(begin, *(a_schedule(f"c{number}", "@every 1m") for number in range(5)))
    passes = []
    while decided := await scheduling.scheduler.decide_due(NOBODY):
        passes.append(decided)
    assert max(passes) <= 50
    assert sum(passes) == 5 * 41
    for number in range(5):
        assert (await scheduling.outcomes(f"c{number}"))["started"] == 1


async def test_a_schedule_that_this_release_does_not_understand_leaves_the_others_alone(
    scheduling: Scheduling,
) -> None:
    begin = await scheduling.now() - timedelta(seconds=1)
    await scheduling.put(begin, a_schedule("a", "@someday"), a_schedule("c"))
    assert await scheduling.decide() == 1
    assert await scheduling.outcomes("c") == {"started": 1}


async def test_a_broken_pass_decides_nothing(scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch) -> None:
    await scheduling.put(await scheduling.now() - timedelta(seconds=1), a_schedule())
    with monkeypatch.context() as broken:
        broken.setitem(schedules_module._SQL, "advance_schedules", "SELECT 1 / 0, $1, $2, $3, $4")
        with pytest.raises(asyncpg.PostgresError):
            await scheduling.decide()
    assert await scheduling.ledger() == []
    assert await scheduling.store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 0
    assert await scheduling.decide() == 1


async def test_every_goes_on_from_the_stored_fire_time_after_a_restart(scheduling: Scheduling) -> None:
    begin = await scheduling.now() - timedelta(minutes=100)
    await scheduling.put(begin, a_schedule(expression="@every 90m"))
    await scheduling.decide()
    again = Scheduling(scheduling.store)
    assert await again.decide() == 0
    assert [row[0] for row in await again.ledger()] == [begin, begin + timedelta(minutes=90)]
    assert (await again.row())["next_fire_at"] == begin + timedelta(minutes=180)


async def test_the_databases_clock_decides_not_the_machines(scheduling: Scheduling) -> None:
    await scheduling.put(datetime.now(UTC) + HOUR, a_schedule(expression="@daily"))
    assert await scheduling.decide() == 0
    name = await scheduling.store.admin.fetchval("SELECT current_database()")
    await scheduling.store.admin.execute(f"ALTER DATABASE {name} SET syncline.clock_offset = '61 minutes'")
    await scheduling.store.pool.expire_connections()
    assert await scheduling.decide() == 1


@pytest.mark.parametrize("collection", ["c", None])
async def test_the_fire_times_of_what_is_paused_are_skipped_and_say_so(
    scheduling: Scheduling, collection: str | None
) -> None:
    await Pauses(scheduling.store.pool).pause("s", collection)
    await scheduling.put(await scheduling.now() - timedelta(seconds=1), a_schedule("c"), a_schedule("c", source="t"))
    await scheduling.decide()
    rows = await scheduling.store.pool.fetch("SELECT source, outcome, reason FROM syncline.fire_times ORDER BY source")
    assert [tuple(row) for row in rows] == [("s", "skipped", "paused"), ("t", "started", None)]
    assert await scheduling.store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks") == 1


async def test_a_fire_time_that_a_pause_met_is_skipped_although_the_pause_is_over(scheduling: Scheduling) -> None:
    pauses = Pauses(scheduling.store.pool)
    begin = await scheduling.now()
    await pauses.pause("s", None)
    fire_time = await scheduling.now()
    await scheduling.put(fire_time, a_schedule("c", "@every 1h"))
    await pauses.resume("s", None)
    await scheduling.decide()
    assert begin < fire_time
    assert await scheduling.ledger() == [(fire_time, "skipped", "paused")]


async def test_what_would_wait_for_the_active_task_is_skipped_in_a_pause(scheduling: Scheduling) -> None:
    """The task may wait as long as the pause goes on; the ledger says at once what happens."""
    await scheduling.store.schedule("c", backfill="2024-01-01T00:00:00Z/2024-01-02T00:00:00Z")
    await scheduling.put(await scheduling.now() - HOUR, a_schedule("c", "@every 1h", misfire="all"))
    assert await scheduling.decide() == 0
    await Pauses(scheduling.store.pool).pause("s", "c")
    assert (await scheduling.schedules.get_seconds_until_next(HOUR))[0] < 0
    await scheduling.decide()
    assert {(outcome, reason) for _, outcome, reason in await scheduling.ledger()} == {("skipped", "paused")}
