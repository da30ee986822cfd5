"""Whatever somebody changes behind our back, verification names the week and the stream, or the seal."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from app.domain.seal import Seal
from app.store.leases import Leases
from app.store.seals import list_seals
from tests.integration.seals.weeks import WEEK, findings, live_weeks, tamper, wrong

if TYPE_CHECKING:
    from tests.integration.retention.lives import Era

ONE_BYTE = """
UPDATE syncline.events SET data = jsonb_set(data, '{rows}', '6') WHERE task = $1 AND type = 'BookmarkSaved'
"""
COLUMNS = (
    "version = version + 10",
    "type = 'TaskSucceeded'",
    "v = 2",
    "at = at + '1 us'",
    "status = status || ' '",
    "status = NULL",
    "attempt = 2",
    "worker = gen_random_uuid()",
    "worker = NULL",
    "xid = '7'",
    "line = NULL",
    """data = data || '{"error": "it did not worK"}'""",
    """data = data || '{"note": "new"}'""",
    "data = '[]'",
    "at = 'infinity'",
)
NOT_THE_EVENTS = "the list of its streams was changed, but not its events"


async def test_untouched_weeks_are_fine_and_each_has_a_line(era: Era) -> None:
    await live_weeks(era)
    lines = await findings(era)
    first, second = await list_seals(era.pool)
    assert lines[:2] == [
        f"{first.week}: ok: 12 events of 3 streams, seal 1",
        f"{second.week}: ok: 12 events of 3 streams, seal 2",
    ]
    assert lines[-1].startswith(f"newest seal: {second.seal.hex()} (number 2, of {second.week})")
    assert await wrong(era) == []


async def test_one_changed_byte_of_an_old_event_names_week_and_stream(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    first, _ = await list_seals(era.pool)
    await tamper(era, ONE_BYTE, task)
    assert await wrong(era) == [f"{first.week}: WRONG: task {task} (shop/users): its events were changed"]


@pytest.mark.parametrize("change", COLUMNS)
async def test_every_column_is_sealed(era: Era, change: str) -> None:
    (_, task, _), _ = await live_weeks(era)
    await tamper(era, f"UPDATE syncline.events SET {change} WHERE task = $1 AND type = 'TaskFailed'", task)
    [found] = await wrong(era)
    assert f"task {task} (shop/users)" in found


async def test_a_missing_event_is_named(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await tamper(era, "DELETE FROM syncline.events WHERE task = $1 AND version = 2", task)
    [found] = await wrong(era)
    assert found.endswith(f"task {task} (shop/users): event 2 is missing")


async def test_a_missing_stream_is_named_and_so_is_one_more(era: Era) -> None:
    (task, _, other), _ = await live_weeks(era)
    await tamper(era, "DELETE FROM syncline.events WHERE task = $1", task)
    later = UUID(int=other.int + 1)
    await tamper(
        era,
        "INSERT INTO syncline.events SELECT $2::uuid, version, type, v, at, status, attempt, worker, data, xid, line"
        " FROM syncline.events WHERE task = $1",
        other,
        later,
    )
    deleted, added = await wrong(era)
    assert deleted.endswith(f"task {task} (shop/orders): its events were deleted")
    assert added.endswith(f"task {later}: its events were added after the week was sealed")


async def test_two_events_that_change_places_are_found(era: Era) -> None:
    (task, _, _), _ = await live_weeks(era)
    move = "UPDATE syncline.events SET version = $3 WHERE task = $1 AND version = $2"
    for before, after in ((1, 99), (2, 1), (99, 2)):
        await tamper(era, move, task, before, after)
    [found] = await wrong(era)
    assert f"task {task}" in found


async def test_a_changed_seal_is_named_and_breaks_the_chain(era: Era) -> None:
    await live_weeks(era, 3)
    await tamper(era, "UPDATE syncline.seals SET events = events + 1 WHERE number = 2")
    assert "seal 2: WRONG: was changed" in await wrong(era)


async def test_a_seal_that_was_computed_anew_breaks_the_chain(era: Era) -> None:
    """Somebody who knows how seals are made must change all later ones."""
    (_, task, _), *_ = await live_weeks(era, 3)
    await tamper(era, ONE_BYTE, task)
    await _seal_anew(era, 1)
    found = await wrong(era)
    assert found == ["seal 2: WRONG: does not follow seal 1: one of the two was changed or replaced"]


async def test_only_a_seal_that_was_noted_elsewhere_finds_a_chain_that_was_made_anew(era: Era) -> None:
    (_, task, _), *_ = await live_weeks(era, 3)
    noted = (await list_seals(era.pool))[-1].seal
    assert f"seal {noted.hex()}: number 3 of 3 in the chain" in await findings(era, noted=noted)
    await tamper(era, ONE_BYTE, task)
    for number in (1, 2, 3):
        await _seal_anew(era, number)
    assert await wrong(era) == []
    [found] = await wrong(era, noted=noted)
    assert found.startswith(f"seal {noted.hex()}: WRONG: not in the chain")


async def test_two_weeks_that_changed_places_are_found(era: Era) -> None:
    await live_weeks(era)
    await tamper(
        era,
        "UPDATE syncline.seals s SET week = o.week, before = o.before FROM syncline.seals o"
        " WHERE o.number = 3 - s.number AND s.number <= 2",
    )
    found = await wrong(era)
    assert {"seal 1: WRONG: was changed", "seal 2: WRONG: was changed"} <= {*found}
    assert any("its events were deleted" in line for line in found)
    await tamper(era, "UPDATE syncline.seals SET number = 5 - number WHERE number <= 2")
    await tamper(era, "UPDATE syncline.seals SET number = number - 2")
    assert any("does not follow" in line for line in await wrong(era))


async def test_a_missing_seal_is_named(era: Era) -> None:
    await live_weeks(era, 3)
    await tamper(era, "DELETE FROM syncline.seals WHERE number = 2")
    assert any(line.startswith("seal 2: WRONG: is missing") for line in await wrong(era))


async def test_a_list_of_streams_that_was_changed_hides_nothing(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    first, _ = await list_seals(era.pool)
    overlay = "UPDATE syncline.sealed_streams SET streams = overlay(streams PLACING '\\x00' FROM 20) WHERE seal = 1"
    await tamper(era, overlay)
    assert (await wrong(era))[-1] == f"{first.week}: WRONG: {NOT_THE_EVENTS}"
    await tamper(era, ONE_BYTE, task)
    rows = await era.admin.fetchval(
        "SELECT string_agg(uuid_send(task) || substr(hash, 1, 8), '' ORDER BY task)"
        " FROM syncline.stream_hashes(syncline.week_floor($1), syncline.week_floor($2))",
        first.week,
        first.before,
    )
    await tamper(era, "UPDATE syncline.sealed_streams SET streams = $1 WHERE seal = 1", rows)
    [found] = await wrong(era)
    assert "do not have the root of the seal" in found


async def test_a_seal_that_replaces_a_week_it_is_not_about_hides_nothing(era: Era) -> None:
    """Rightly chained, so that a seal which was noted before is still there."""
    _, (_, task, _), *_ = await live_weeks(era, 3)
    noted = (await list_seals(era.pool))[-1]
    nothing = sha256(b"").digest()
    forged = Seal(
        number=4,
        week=date(1990, 1, 1),
        before=date(1990, 1, 8),
        events=0,
        streams=0,
        root=nothing,
        replaces=[2],
        archived=False,
        sealed_at=noted.sealed_at,
        previous=noted.seal,
        seal=b"",
    )
    values = tuple(forged._replace(seal=forged.computed))
    await tamper(era, "INSERT INTO syncline.seals VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", *values)
    await tamper(era, ONE_BYTE, task)
    week = (await list_seals(era.pool))[1].week
    why = "is about 1990-01-01 to 1990-01-08, and not about the weeks of the seals that it replaces"
    expected = [
        f"seal 4: WRONG: {why}",
        f"{week}: WRONG: task {task} (shop/users): its events were changed",
    ]
    assert await wrong(era, noted=noted.seal) == expected
    assert await era.seal() == []
    assert await wrong(era, noted=noted.seal) == expected


async def test_an_old_week_that_nothing_kept_open_is_wrong_when_it_is_not_sealed(era: Era) -> None:
    (task, _, _), *_ = await live_weeks(era, 3)
    first, *_ = await list_seals(era.pool)
    fortnight = timedelta(days=14)
    long_ago = UUID(int=task.int - ((fortnight // timedelta(milliseconds=1)) << 80))
    await tamper(
        era,
        "INSERT INTO syncline.events (task, version, type, at, status, attempt, data)"
        " SELECT $2::uuid, version, type, at - $3::interval, status, attempt, data"
        " FROM syncline.events WHERE task = $1",
        task,
        long_ago,
        fortnight,
    )
    why = "not sealed, although a later week was sealed when none of its tasks was active any more"
    assert await wrong(era) == [f"{first.week - fortnight}: WRONG: {why}"]


async def test_an_old_week_whose_last_task_has_just_ended_is_not_wrong(era: Era) -> None:
    long = await era.claimed("long")
    await era.go(WEEK)
    await live_weeks(era, 2)
    await era.go(WEEK)
    await era.service.queue.cancel(long.task)
    await Leases(era.pool).rescue()
    assert await era.admin.fetchval("SELECT count(*) FROM syncline.collections WHERE status = 'RUNNING'") == 0
    assert await wrong(era) == []
    assert any("not sealed yet" in line for line in await findings(era))
    assert len(await era.seal()) == 1
    assert await wrong(era) == []


async def _seal_anew(era: Era, number: int) -> None:
    """What somebody does who knows everything: root, streams and seal fit the events as they are now."""
    row = (await list_seals(era.pool))[number - 1]
    before = (await list_seals(era.pool))[number - 2].seal if number > 1 else row.previous
    bounds = "syncline.week_floor($1), syncline.week_floor($2)"
    [(root, named)] = await era.admin.fetch(
        "SELECT sha256(string_agg(hash, '' ORDER BY block)), string_agg(named, '' ORDER BY block)"
        f" FROM syncline.sealed_blocks({bounds}, NULL)",
        row.week,
        row.before,
    )
    changed = row._replace(root=root, previous=before)
    await tamper(
        era,
        "UPDATE syncline.seals SET root = $2, previous = $3, seal = $4 WHERE number = $1",
        number,
        root,
        before,
        changed.computed,
    )
    await tamper(era, "UPDATE syncline.sealed_streams SET streams = $2 WHERE seal = $1", number, named)
