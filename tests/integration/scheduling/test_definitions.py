"""The table says what the catalogue says, whoever else writes into it; the past never fires."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.domain.spread import spread_delay
from app.scheduling import definitions as definitions_module
from tests.integration.scheduling.scheduling import Catalogues, a_schedule, went_down

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.scheduling.scheduling import Scheduling


@pytest.fixture
def catalogues(scheduling: Scheduling, tmp_path: Path) -> Catalogues:
    return Catalogues(scheduling, tmp_path)


@pytest.fixture
def looking_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is one at which a minute has passed since the last look."""
    monkeypatch.setattr(definitions_module, "_TABLE_SECONDS", -1)


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


async def test_a_spread_delays_the_next_start_and_keeps_the_fire_time(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    delay = spread_delay("s", "c", timedelta(days=1))
    await catalogues.write("*/5 * * * *")
    before = (await scheduling.row())["next_fire_at"]
    await catalogues.write("*/5 * * * *", spread="1d")
    row = await scheduling.row()
    starts, now = row["next_fire_at"], await scheduling.now()
    assert row["delay"] == delay > timedelta(hours=1)
    assert now < starts <= now + timedelta(minutes=5), "what has fired today is still to start"
    assert (before - starts + delay) % timedelta(minutes=5) == timedelta(), "each fire time is one of the schedule"
    await catalogues.write("*/5 * * * *", spread="1d", max_attempts=7)
    assert (await scheduling.row())["next_fire_at"] == starts
    await catalogues.write("*/5 * * * *")
    assert (await scheduling.row())["next_fire_at"] == before


async def test_periods_that_begin_together_are_spread_from_the_first_on(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("@every 1h", spread="10m")
    starts, now = (await scheduling.row())["next_fire_at"], await scheduling.now()
    expected = now + timedelta(hours=1) + spread_delay("s", "c", timedelta(minutes=10))
    assert abs(starts - expected) < timedelta(minutes=1)


async def test_a_change_of_the_pool_counts_from_the_next_task_on(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("*/5 * * * *", source={"pool": "eu"})
    place = await went_down(scheduling, hours=0)
    await scheduling.decide()
    await catalogues.write("*/5 * * * *", source={"pool": "us"})
    row = await scheduling.row()
    assert (row["pool"], row["last_fire_at"]) == ("us", place)
    assert await scheduling.store.pool.fetchval("SELECT pool FROM syncline.collections") == "eu"


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


@pytest.mark.parametrize("source", [True, False], ids=["the source", "the collection"])
async def test_a_schedule_that_is_missing_for_a_moment_loses_no_fire_time(
    scheduling: Scheduling, catalogues: Catalogues, *, source: bool
) -> None:
    await catalogues.write("*/5 * * * *")
    place = await went_down(scheduling, hours=0)
    await catalogues.leave_out(source=source)
    assert (await scheduling.row())["next_fire_at"] == place
    assert await scheduling.decide() == 1
    following = (await scheduling.row())["next_fire_at"]
    await catalogues.write("*/5 * * * *")
    row = await scheduling.row()
    assert (row["active"], row["next_fire_at"], row["missing_since"]) == (True, following, None)
    assert [fire_time for fire_time, _, _ in await scheduling.ledger()] == [place]


@pytest.mark.usefixtures("looking_always")
async def test_a_schedule_ends_when_it_has_been_missing_for_long(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("@daily")
    await catalogues.leave_out()
    await scheduling.store.admin.execute(
        "UPDATE syncline.schedules SET missing_since = missing_since - interval '1 minute'"
    )
    await catalogues.step()
    assert (await scheduling.row())["active"]
    await scheduling.store.admin.execute(
        "UPDATE syncline.schedules SET missing_since = missing_since - interval '1 minute'"
    )
    await catalogues.step()
    row = await scheduling.row()
    assert (row["active"], row["next_fire_at"], row["missing_since"]) == (False, None, None)


async def test_the_catalogue_says_how_long_that_is(scheduling: Scheduling, catalogues: Catalogues) -> None:
    await catalogues.write("@daily")
    await catalogues.leave_out(unknown_source_patience="1h")
    for seconds, active in ((3000, True), (3600, False)):
        await scheduling.store.admin.execute(
            "UPDATE syncline.schedules SET missing_since = syncline.clock() - $1 * interval '1 s'", seconds
        )
        await catalogues.restart()
        assert (await scheduling.row())["active"] is active


@pytest.mark.usefixtures("looking_always")
async def test_a_replica_that_has_the_schedule_keeps_it(scheduling: Scheduling, tmp_path: Path) -> None:
    newer, older = (Catalogues(scheduling, tmp_path, name) for name in ("newer", "older"))
    await newer.write("@daily")
    await newer.step()
    await older.leave_out()
    assert (await scheduling.row())["missing_since"]
    await newer.step()
    assert (await scheduling.row())["missing_since"] is None


@pytest.mark.usefixtures("looking_always")
async def test_a_replica_that_rejects_its_source_keeps_it_too(scheduling: Scheduling, tmp_path: Path) -> None:
    newer, older = (Catalogues(scheduling, tmp_path, name) for name in ("newer", "older"))
    await newer.write("@daily")
    newer.forget()
    await older.leave_out()
    await newer.write("@daily", unknown_key=1)
    assert (await scheduling.row())["missing_since"] is None


async def long_missing(scheduling: Scheduling) -> None:
    await scheduling.store.admin.execute(
        "UPDATE syncline.schedules SET missing_since = syncline.clock() - interval '1 h'"
    )


async def test_a_fire_time_that_is_due_gets_its_outcome_before_the_schedule_ends(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("*/5 * * * *")
    place = await went_down(scheduling, hours=0)
    await catalogues.leave_out()
    await long_missing(scheduling)
    await catalogues.restart()
    assert (await scheduling.row())["active"]
    await scheduling.decide()
    await catalogues.restart()
    assert not (await scheduling.row())["active"]
    assert [fire_time for fire_time, _, _ in await scheduling.ledger()] == [place]


async def test_fire_times_that_wait_for_a_task_do_not_keep_a_missing_schedule(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    """Each would only start a task that fails after two minutes, while others become due."""
    await catalogues.write("*/5 * * * *", misfire="all")
    await went_down(scheduling)
    assert await scheduling.decide() == 1
    await catalogues.leave_out()
    await long_missing(scheduling)
    await catalogues.restart()
    assert not (await scheduling.row())["active"]


async def test_a_rejected_source_keeps_its_schedule(scheduling: Scheduling, catalogues: Catalogues) -> None:
    """This replica cannot read it; another one may."""
    await catalogues.write("*/5 * * * *")
    catalogues.forget()
    await catalogues.write("*/5 * * * *", unknown_key=1)
    assert (await scheduling.row())["active"]


@pytest.mark.usefixtures("looking_always")
async def test_a_schedule_that_an_older_replica_has_ended_comes_back(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("*/5 * * * *")
    await catalogues.step()
    await scheduling.schedules.end([("s", "c")])
    await catalogues.step()
    assert (await scheduling.row())["active"]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM syncline.schedules",
        "UPDATE syncline.schedules SET active = false",
        "UPDATE syncline.schedules SET expression = '@daily'",
        "UPDATE syncline.schedules SET timezone = 'Asia/Tokyo'",
        "UPDATE syncline.schedules SET misfire = 'all'",
        "UPDATE syncline.schedules SET misfire_window = NULL",
        "UPDATE syncline.schedules SET misfire_window = '2 hours'",
        "UPDATE syncline.schedules SET source_type = 'singer'",
        "UPDATE syncline.schedules SET max_attempts = 99",
        "UPDATE syncline.schedules SET collection = 'd'",
    ],
)
@pytest.mark.usefixtures("looking_always")
async def test_a_row_that_somebody_has_changed_is_put_right(
    scheduling: Scheduling, catalogues: Catalogues, change: str
) -> None:
    await catalogues.write("*/5 * * * *", misfire_window="1h")
    await catalogues.step()
    [before] = (await scheduling.schedules.list_all())[0]
    await scheduling.store.admin.execute(change)
    await catalogues.step()
    schedules, *_ = await scheduling.schedules.list_all()
    assert [schedule for schedule in schedules if schedule.active and not schedule.missing_since] == [before]


@pytest.mark.usefixtures("looking_always")
async def test_two_replicas_with_different_files_both_put_theirs_again(scheduling: Scheduling, tmp_path: Path) -> None:
    """Neither of them takes the other one's table for its own, however often it has seen it."""
    mine, other = (Catalogues(scheduling, tmp_path, name) for name in ("mine", "other"))
    await mine.write("*/5 * * * *")
    await mine.step()
    await other.write("@daily")
    for _ in range(2):
        await mine.step()
        assert (await scheduling.row())["expression"] == "*/5 * * * *"
        await other.step()
        assert (await scheduling.row())["expression"] == "@daily"


@pytest.mark.usefixtures("looking_always")
async def test_what_changes_between_a_put_and_the_next_look_is_put_right(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    """The look after a put compares every definition: what was put may be gone already."""
    await catalogues.write("*/5 * * * *")
    await scheduling.schedules.end([("s", "c")])
    await catalogues.step()
    assert (await scheduling.row())["active"]


@pytest.mark.usefixtures("looking_always")
async def test_a_rejected_sources_schedule_is_left_alone_by_every_look(
    scheduling: Scheduling, catalogues: Catalogues
) -> None:
    await catalogues.write("*/5 * * * *")
    catalogues.forget()
    await catalogues.write("*/5 * * * *", unknown_key=1)
    await scheduling.schedules.put([(a_schedule(expression="@daily"), None)])
    await catalogues.step()
    row = await scheduling.row()
    assert (row["expression"], row["active"]) == ("@daily", True)


@pytest.mark.usefixtures("looking_always")
async def test_a_table_that_is_right_is_not_compared_again(
    scheduling: Scheduling, catalogues: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fire times move on all the time: they are no reason to compare a hundred thousand definitions."""
    await catalogues.write("*/5 * * * *")
    await catalogues.step()
    compared: list[object] = []
    monkeypatch.setattr(definitions_module, "put_definitions", lambda *given: compared.append(given))
    await went_down(scheduling)
    await scheduling.decide()
    await catalogues.step()
    assert not compared


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
