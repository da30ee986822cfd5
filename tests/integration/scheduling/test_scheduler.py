"""Every fire time ends in one row of the ledger, whoever looks first, whatever was down."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest

from app.config.watch import CatalogueWatcher
from app.scheduling import definitions as definitions_module
from app.scheduling import scheduler as scheduler_module
from app.scheduling.definitions import Definitions, put_definitions
from app.scheduling.scheduler import Scheduler
from app.store import schedules as schedules_module
from app.store.notify import Notifier
from app.store.queries import load_statements
from app.store.schedules import Advance, FireTime, ScheduleDefinition, Schedules
from tests.harness import opened_store, until, write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.harness import Store

SCHEDULES = load_statements("schedules.sql")
NOBODY = UUID(int=1)
HOUR = timedelta(hours=1)


def a_schedule(collection: str = "c", expression: str = "*/5 * * * *", **given: Any) -> ScheduleDefinition:
    defaults: dict[str, Any] = {
        "source": "s",
        "source_type": "synthetic",
        "max_attempts": 3,
        "timezone": "UTC",
        "misfire": "latest",
        "misfire_window": None,
    }
    return ScheduleDefinition(collection=collection, expression=expression, **(defaults | given))


class Scheduling:
    """A scheduler and the ledger that it writes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.schedules = Schedules(store.pool)
        self.notifier = Notifier(store.pool)
        self.scheduler = Scheduler(store.pool, self.notifier, lambda: NOBODY)

    async def put(self, begin: datetime, *definitions: ScheduleDefinition) -> None:
        await self.schedules.put([(definition, begin) for definition in definitions])

    async def decide(self) -> int:
        """Pass after pass until nothing is due: how many fire times were decided."""
        decided = 0
        while now := await self.scheduler.decide_due(NOBODY):
            decided += now
        return decided

    async def ledger(self, collection: str = "c") -> list[tuple[datetime, str, str | None]]:
        rows = await self.store.pool.fetch(
            "SELECT fire_time, outcome, reason FROM syncline.fire_times WHERE collection = $1 ORDER BY fire_time",
            collection,
        )
        return [tuple(row) for row in rows]

    async def outcomes(self, collection: str = "c") -> Counter[str]:
        return Counter(outcome for _, outcome, _ in await self.ledger(collection))

    async def row(self) -> Any:
        return await self.store.pool.fetchrow("SELECT * FROM syncline.schedules WHERE collection = 'c'")

    async def now(self) -> datetime:
        now: datetime = await self.store.pool.fetchval("SELECT syncline.clock()")
        return now


@pytest.fixture
async def scheduling(store: Store) -> AsyncIterator[Scheduling]:
    scheduling = Scheduling(store)
    yield scheduling
    await scheduling.notifier.aclose()


def five_minutes_before(now: datetime) -> datetime:
    """The last time of */5 that was due."""
    return now.replace(second=0, microsecond=0) - timedelta(minutes=now.minute % 5)


async def test_two_schedulers_share_a_thousand_due_schedules_without_firing_one_twice(database_url: str) -> None:
    async with opened_store(database_url, size=6) as store:
        first, second = Scheduling(store), Scheduling(store)
        due = await first.now() - timedelta(seconds=1)
        await first.put(due, *(a_schedule(f"c{number}", "@daily") for number in range(1000)))
        await asyncio.gather(*(scheduling.decide() for scheduling in (first, second, first, second)))
        await first.decide()
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.fire_times WHERE outcome = 'started'") == 1000
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.tasks") == 1000
        assert await store.pool.fetchval("SELECT count(DISTINCT task) FROM syncline.fire_times") == 1000
        assert await store.pool.fetchval("SELECT min(next_fire_at) > syncline.clock() FROM syncline.schedules")
        await first.notifier.aclose()
        await second.notifier.aclose()


async def test_a_started_fire_time_is_in_its_task(scheduling: Scheduling) -> None:
    due = await scheduling.now() - timedelta(seconds=1)
    await scheduling.put(due, a_schedule())
    assert await scheduling.decide() == 1
    row = await scheduling.store.pool.fetchrow(
        "SELECT t.fire_time, t.trigger, t.priority, f.worker FROM syncline.tasks t"
        " JOIN syncline.fire_times f USING (task)"
    )
    assert row is not None
    assert (row["fire_time"], row["trigger"], row["worker"]) == (due, "schedule", NOBODY)
    assert row["priority"] // 10**12 == 199  # 200 × 10^12 less the seconds


async def test_a_fire_time_whose_collection_is_busy_is_skipped(scheduling: Scheduling) -> None:
    await scheduling.store.schedule("c")
    await scheduling.put(await scheduling.now() - timedelta(seconds=1), a_schedule())
    await scheduling.decide()
    [(_, outcome, reason)] = await scheduling.ledger()
    assert (outcome, reason) == ("skipped", "overlap")
    assert await scheduling.store.pool.fetchval("SELECT count(*) FROM syncline.tasks") == 1


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


async def test_a_schedule_that_another_replica_has_locked_does_not_make_a_scheduler_spin(
    scheduling: Scheduling,
) -> None:
    await scheduling.put(await scheduling.now() - timedelta(seconds=1), a_schedule())
    async with scheduling.schedules.due() as due:
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
        await until(lambda: store.is_waiting("UPDATE OF s"))
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
    async with scheduling.schedules.due() as due:
        await scheduling.store.schedule("c")
        fire_time = FireTime(definition, due_at, missed=None)
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
    assert await scheduling.store.pool.fetchval("SELECT count(*) FROM syncline.tasks") == 0
    assert await scheduling.decide() == 1


async def test_every_goes_on_from_the_stored_fire_time_after_a_restart(scheduling: Scheduling) -> None:
    begin = await scheduling.now() - timedelta(minutes=100)
    await scheduling.put(begin, a_schedule(expression="@every 90m"))
    await scheduling.decide()
    again = Scheduling(scheduling.store)
    assert await again.decide() == 0
    assert [row[0] for row in await again.ledger()] == [begin, begin + timedelta(minutes=90)]
    assert (await again.row())["next_fire_at"] == begin + timedelta(minutes=180)


class Catalogues:
    """The configuration of one source whose collection `c` has a schedule, as versions of a file."""

    def __init__(self, scheduling: Scheduling, directory: Path) -> None:
        self._scheduling = scheduling
        self._file = directory / "config.yaml"
        self._watcher = CatalogueWatcher(self._file, {})
        self._definitions = Definitions(scheduling.schedules, self._watcher)

    async def write(self, schedule: str | None, **more: Any) -> None:
        collection = {"name": "c"} | ({"schedule": schedule} if schedule else {}) | more
        write_config(self._file, {"s": {"type": "synthetic", "destinations": ["nowhere"], "collections": [collection]}})
        await self._watcher.refresh()
        await self._definitions.step()

    def forget(self) -> None:
        """A new process, which knows no previous version of the file."""
        self._watcher = CatalogueWatcher(self._file, {})
        self._definitions = Definitions(self._scheduling.schedules, self._watcher)

    async def step(self) -> None:
        await self._definitions.step()

    async def restart(self) -> None:
        """A new process reads the same file."""
        await put_definitions(self._scheduling.schedules, self._watcher.current)


@pytest.fixture
def catalogues(scheduling: Scheduling, tmp_path: Path) -> Catalogues:
    return Catalogues(scheduling, tmp_path)


async def went_down(scheduling: Scheduling, hours: int = 3) -> datetime:
    """As if the last look at the schedule had been hours ago: the fire time that was due next then."""
    fire_time = five_minutes_before(await scheduling.now()) - hours * HOUR
    await scheduling.store.pool.execute("UPDATE syncline.schedules SET next_fire_at = $1", fire_time)
    return fire_time


async def test_an_unchanged_schedule_keeps_its_place_over_a_restart(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("*/5 * * * *")
    place = await went_down(scheduling)
    await catalogues.restart()
    assert (await scheduling.row())["next_fire_at"] == place
    await scheduling.decide()
    assert (await scheduling.outcomes())["started"] == 1
    assert (await scheduling.outcomes())["missed"] >= 35


@pytest.mark.parametrize("edit", ["0 * * * *", "@every 7m", "CRON_TZ=Europe/Berlin */5 * * * *"])
async def test_an_edited_schedule_never_fires_the_past(
    scheduling: Scheduling, catalogues: Catalogues, edit: str
) -> None:
    await catalogues.write("*/5 * * * *")
    await went_down(scheduling)
    await catalogues.write(edit)
    assert (await scheduling.row())["next_fire_at"] > await scheduling.now()
    assert await scheduling.decide() == 0
    assert await scheduling.ledger() == []


async def test_an_edited_time_zone_never_fires_the_past(scheduling: Scheduling, catalogues: Catalogues) -> None:
    await catalogues.write("0 3 * * *")
    await went_down(scheduling, hours=48)
    await catalogues.write("0 3 * * *", timezone="Asia/Tokyo")
    assert await scheduling.decide() == 0


async def test_a_change_of_what_is_not_the_time_keeps_the_place(scheduling: Scheduling, catalogues: Catalogues) -> None:
    await catalogues.write("*/5 * * * *")
    place = await went_down(scheduling)
    await catalogues.write("*/5 * * * *", max_attempts=7)
    row = await scheduling.row()
    assert (row["next_fire_at"], row["max_attempts"]) == (place, 7)


async def test_a_schedule_taken_away_and_added_again_never_fires_the_past(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("*/5 * * * *")
    await went_down(scheduling)
    await catalogues.write(None)
    assert await scheduling.decide() == 0
    row = await scheduling.row()
    assert (row["active"], row["next_fire_at"]) == (False, None)
    await catalogues.write("*/5 * * * *")
    assert (await scheduling.row())["next_fire_at"] > await scheduling.now()
    assert await scheduling.decide() == 0


async def test_a_rejected_source_keeps_its_schedule(scheduling: Scheduling, catalogues: Catalogues) -> None:
    """This replica cannot read it; another one may."""
    await catalogues.write("*/5 * * * *")
    catalogues.forget()
    await catalogues.write("*/5 * * * *", unknown_key=1)
    assert (await scheduling.row())["active"]


async def test_a_schedule_that_an_older_replica_has_ended_comes_back(
    scheduling: Scheduling, catalogues: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    await catalogues.write("*/5 * * * *")
    await scheduling.schedules.end([("s", "c")])
    monkeypatch.setattr(definitions_module, "_PUT_SECONDS", 0)
    await catalogues.step()
    assert (await scheduling.row())["active"]


async def test_a_fire_time_in_the_ledger_is_never_decided_again(scheduling: Scheduling, catalogues: Catalogues) -> None:
    await catalogues.write("*/5 * * * *")
    place = await went_down(scheduling)
    await scheduling.decide()
    before = await scheduling.ledger()
    await scheduling.store.pool.execute("UPDATE syncline.schedules SET next_fire_at = $1", place)
    await scheduling.decide()
    assert await scheduling.ledger() == before


async def test_replicas_that_read_the_same_file_at_once_agree(scheduling: Scheduling, catalogues: Catalogues) -> None:
    await catalogues.write("*/5 * * * *")
    await asyncio.gather(*(catalogues.restart() for _ in range(4)))
    assert await scheduling.store.pool.fetchval("SELECT count(*) FROM syncline.schedules") == 1


async def test_the_databases_clock_decides_not_the_machines(scheduling: Scheduling) -> None:
    await scheduling.put(datetime.now(UTC) + HOUR, a_schedule(expression="@daily"))
    assert await scheduling.decide() == 0
    name = await scheduling.store.admin.fetchval("SELECT current_database()")
    await scheduling.store.admin.execute(f"ALTER DATABASE {name} SET syncline.clock_offset = '61 minutes'")
    await scheduling.store.pool.expire_connections()
    assert await scheduling.decide() == 1
