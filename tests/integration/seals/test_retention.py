"""Retention removes only what is as it was sealed; its seals stay, and what is left has one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.task import Status
from app.store.leases import Leases
from app.store.retention import retire
from app.store.seals import list_differing, list_seals
from tests.integration.retention.lives import KEEP
from tests.integration.seals.weeks import findings, live_weeks, tamper, wrong

if TYPE_CHECKING:
    from tests.integration.retention.lives import Era

ROWS = """UPDATE syncline.events SET data = jsonb_set(data, '{rows}', '6') WHERE task = $1 AND type = 'BookmarkSaved'"""


async def test_seals_outlive_their_events_and_what_stays_is_sealed_with_a_link_to_them(era: Era) -> None:
    weeks = await live_weeks(era, 3)
    before = await list_seals(era.pool)
    await era.go(KEEP)
    assert await era.retire()
    stays = {weeks[2][1], weeks[2][2]}
    assert await era.streams() == stays
    *old, kept = await list_seals(era.pool)
    assert old == before
    assert (kept.replaces, kept.week, kept.before, kept.streams) == ([1, 2, 3], before[0].week, before[2].before, 2)
    assert kept.previous == before[2].seal
    assert await wrong(era) == []
    line = f"{kept.week} to {kept.before}: ok: 8 events of 2 streams, seal 4; retention has removed the others"
    assert line in await findings(era)
    await tamper(era, ROWS, weeks[2][1])
    [found] = await wrong(era)
    assert f"task {weeks[2][1]} (shop/users): its events were changed" in found


async def test_what_stayed_once_may_go_later(era: Era) -> None:
    await live_weeks(era, 2)
    await era.go(KEEP)
    assert await era.retire()
    new = [await era.lived(name, status) for name in ("orders", "users") for status in (Status.SUCCESS, Status.FAILED)]
    new += [await era.lived(name, save=True) for name in ("orders", "users")]
    await era.go(2 * KEEP)
    await era.lived("orders")
    assert await era.retire()
    seals = await list_seals(era.pool)
    assert [seal.number for seal in seals] == [1, 2, 3, 4, 5]
    assert seals[-1].replaces == [3, 4]
    assert await era.streams() >= {new[-1], new[-2]}
    assert await wrong(era) == []
    assert await era.admin.fetchval("SELECT array_agg(DISTINCT seal) FROM syncline.sealed_streams") == [5]


async def test_a_week_that_was_tampered_with_is_kept_until_it_is_as_it_was(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await era.go(KEEP)
    data = await era.admin.fetchval("SELECT data::text FROM syncline.events WHERE task = $1 AND version = 3", task)
    await tamper(era, ROWS, task)
    before = await era.streams()
    assert await era.retire()
    assert await era.streams() == before
    seals = await list_seals(era.pool)
    assert await list_differing(era.pool) == [seals[0].week]
    assert len(await wrong(era)) == 1
    await tamper(era, "UPDATE syncline.events SET data = $2::jsonb WHERE task = $1 AND version = 3", task, data)
    assert await era.retire()
    assert await list_differing(era.pool) == []
    assert len(await era.streams()) < len(before)
    assert await wrong(era) == []


async def test_what_is_not_sealed_is_not_removed(era: Era) -> None:
    await era.lived("orders")
    await era.go(3 * KEEP)
    await era.lived("orders")
    await era.service.project()
    before = await era.streams()
    assert (await retire(era.pool, keep=KEEP, last_runs=None)).complete
    assert await era.streams() == before
    assert await era.retire()
    assert await era.streams() < before


async def test_weeks_on_both_sides_of_an_active_task_are_removed_and_verified_by_themselves(era: Era) -> None:
    first = await live_weeks(era, 1)
    long = await era.claimed("long")
    await era.lived("orders")
    await era.go(KEEP)
    last = await live_weeks(era, 2)
    await era.go(2 * KEEP)
    new = [
        await era.lived(name, status, save=True)
        for name in ("orders", "users")
        for status in (Status.FAILED, Status.SUCCESS)
    ]
    assert await era.retire()
    left = await era.streams()
    assert not left & {*first[0], *last[0]}
    assert long.task in left
    assert await wrong(era) == []
    await era.service.queue.cancel(long.task)
    await Leases(era.pool).rescue()
    await era.go(3 * KEEP)
    assert await era.retire()
    assert await wrong(era) == []
    assert await era.streams() <= {long.task, *new}
    await era.is_sound()


async def test_an_older_release_retires_with_what_it_knows(era: Era) -> None:
    await live_weeks(era, 2)
    await era.go(KEEP)
    await era.service.project()
    assert await era.pool.fetchval("SELECT syncline.retire_tasks($1::interval)", KEEP)
    assert await wrong(era) == []
