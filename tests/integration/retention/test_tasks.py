"""Old tasks go with all that tells of them; what somebody still needs stays, and projections equal what is left."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from app.domain.errors import EventsGoneError
from app.domain.feed import BEGINNING, Place
from app.domain.task import Status
from app.projections import rebuild, verify
from app.projections.survey import Survey
from app.store import projections as store
from app.store.bookmarks import Bookmarks
from app.store.feed import Feed
from app.store.leases import Leases
from app.store.pauses import Pauses
from app.store.resets import reset_collection
from app.store.retention import retire
from tests.harness import opened
from tests.integration.retention.lives import KEEP, Era

if TYPE_CHECKING:
    from app.store.database import Pool

WEEK = timedelta(days=7)


async def test_old_tasks_go_with_their_events_lines_and_rows(era: Era) -> None:
    old = [await era.lived("orders") for _ in range(3)]
    await era.go(KEEP + WEEK)
    new = await era.lived("orders")
    assert await era.retire()
    assert await era.tasks() == await era.streams() == await era.logged() == {new}
    assert len(old) == 3
    await era.is_sound()


async def test_facts_go_unless_a_pause_or_a_reset_rests_on_them(era: Era) -> None:
    pauses = Pauses(era.pool)
    for source in ("a", "b"):
        await pauses.pause(source, None)
        await reset_collection(era.pool, source, "c")
    await pauses.resume("b", None)
    await reset_collection(era.pool, "b", "c")
    for _ in range(5):
        await era.lived("orders")
    facts = "SELECT task FROM syncline.events WHERE status IS NULL"
    assert len(await era.pool.fetch(facts)) == 6
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    assert await era.retire()
    kept = {
        row["fact"]
        for row in await era.pool.fetch("SELECT fact FROM syncline.pauses UNION SELECT fact FROM syncline.resets")
    }
    assert {row["task"] for row in await era.pool.fetch(facts)} == kept
    assert len(kept) == 4
    await era.is_sound()


async def test_bookmarks_that_were_set_stay_and_those_before_go(era: Era) -> None:
    bookmarks = Bookmarks(era.pool)
    await era.lived("orders", save=True)
    row = await era.pool.fetchrow("SELECT source, destination FROM syncline.bookmarks")
    assert row
    source, destination = row["source"], row["destination"]
    for at in (1, 2):
        await bookmarks.set(source, "orders", {"elsewhere": f'{{"at": {at}}}'})
    before = await bookmarks.list_current(source, "orders")
    await era.go(KEEP + WEEK)
    await era.lived("others")
    assert await era.retire()
    assert await era.pool.fetchval("SELECT count(*) FROM syncline.events WHERE type = 'BookmarkSet'") == 1
    assert await bookmarks.list_current(source, "orders") == before
    assert {each["destination"] for each in before} == {destination, "elsewhere"}
    await era.is_sound()
    await rebuild(era.pool, "bookmarks")
    assert await bookmarks.list_current(source, "orders") == before


async def test_the_feed_says_from_where_it_is_complete(era: Era) -> None:
    feed = Feed(era.pool)
    assert await feed.get_start() == BEGINNING
    for _ in range(3):
        await era.lived("orders")
    before = (await feed.read(BEGINNING, limit=1000)).events
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    everything = (await feed.read(BEGINNING, limit=1000)).events
    assert await era.retire()
    left = {Place(*row) for row in await era.pool.fetch("SELECT xid, task, version FROM syncline.events")}
    gone = {event.place for event in everything} - left
    assert gone
    assert gone <= {event.place for event in before}
    first = await feed.get_start()
    assert first == Place.after_all_of(max(gone).position), "what is kept begins right behind it"
    rest = await feed.read(first, limit=1000)
    assert rest.events == [event for event in everything if event.place > first] != []
    with pytest.raises(EventsGoneError):
        await feed.read(min(gone), limit=1)


async def test_the_feed_of_an_idle_store_stays_complete_behind_what_went(era: Era) -> None:
    """Also where a task that was asked for long ago has ended just now: its events stay."""
    feed = Feed(era.pool)
    long = await era.claimed("long")
    gone = await era.lived("orders")
    await era.lived("orders")
    await era.go(KEEP + WEEK)
    await era.service.queue.cancel(long.task)
    await Leases(era.pool).rescue()
    end = await feed.get_end()
    assert end.task == long.task
    assert await era.retire()
    assert gone not in await era.streams()
    assert BEGINNING < await feed.get_start() < end
    assert await feed.read(end, limit=10) == ([], end, False)


async def test_a_task_that_ended_within_the_time_stays(era: Era) -> None:
    await era.lived("orders")
    await era.go(KEEP - timedelta(days=1))
    await era.lived("orders")
    everything = await era.tasks()
    assert await era.retire()
    assert await era.tasks() == everything


async def test_the_last_task_success_and_failure_and_the_bookmarks_task_stay(era: Era) -> None:
    saved = await era.lived("orders", save=True)
    success, failure = await era.lived("orders"), await era.lived("orders", Status.FAILED)
    last = await era.lived("orders", Status.CANCELED)
    await era.lived("users")
    only = await era.lived("users")
    await era.go(KEEP + WEEK)
    assert await era.retire()
    assert await era.tasks() == await era.streams() == await era.logged() == {saved, success, failure, last, only}
    await era.is_sound()


async def test_the_task_of_a_tables_current_columns_stays_and_older_changes_go(era: Era) -> None:
    tasks = []
    for number in (1, 2):
        claim = await era.claimed("orders")
        await era.service.revise(claim, f"field {number}", revision=number)
        assert await era.service.end(claim) == []
        tasks.append(claim.task)
        await era.lived("orders")
    await era.go(KEEP + WEEK)
    last = await era.lived("orders")
    assert await era.retire()
    assert await era.tasks() == await era.streams() == {tasks[1], last}
    assert await era.pool.fetchval("SELECT array_agg(revision) FROM syncline.table_schemas") == [2]
    await era.is_sound()


async def test_a_week_with_an_active_task_stays_until_it_has_ended(era: Era) -> None:
    long = await era.claimed("long")
    await era.lived("orders")
    await era.go(WEEK)
    later = await era.lived("users")
    await era.go(KEEP + WEEK)
    newest = {await era.lived("users"), await era.lived("orders")}
    before = await era.tasks()
    assert await era.retire()
    assert await era.tasks() == before - {later}
    await era.service.queue.cancel(long.task)
    await Leases(era.pool).rescue()
    await era.go(KEEP + WEEK)
    assert await era.retire()
    assert await era.tasks() == newest | {long.task}
    await era.is_sound()


async def test_failures_count_though_their_events_are_gone(era: Era) -> None:
    await era.lived("orders")
    for _ in range(3):
        await era.lived("orders", Status.FAILED)
        await era.lived("never", Status.FAILED)
        await era.go(WEEK)
        await era.retire()
    for _ in range(2):
        await era.lived("orders", Status.FAILED)
        await era.go(KEEP + WEEK)
        await era.retire()
    assert await _counts(era) == {"orders": 5, "never": 3}
    assert len(await era.tasks()) < 6
    await era.is_sound()
    await era.lived("orders")
    await era.lived("orders", Status.FAILED)
    assert await _counts(era) == {"orders": 1, "never": 3}
    await era.is_sound()


async def _counts(era: Era) -> dict[str, int]:
    rows = await era.pool.fetch("SELECT collection, consecutive_failures FROM syncline.collections")
    return {row["collection"]: row["consecutive_failures"] for row in rows}


async def test_statistics_outlive_the_tasks_and_a_rebuild_keeps_them(era: Era) -> None:
    for _ in range(4):
        await era.lived("orders")
        await era.lived("orders", Status.FAILED)
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    assert await era.retire()
    assert len(await era.tasks()) == 2
    for _ in range(2):
        rows = await era.admin.fetch("SELECT success, failed FROM reporting.daily_collection_stats ORDER BY day")
        assert [tuple(row) for row in rows] == [(4, 4), (1, 0)]
        await rebuild(era.pool, "daily_collection_stats")
        await era.service.project()


async def test_nothing_goes_that_the_statistics_have_not_seen(era: Era) -> None:
    await era.lived("orders")
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    before = await era.tasks()
    assert (await retire(era.pool, keep=KEEP, last_runs=None)).complete
    assert await era.tasks() == before
    assert await era.retire()
    assert len(await era.tasks()) == 1


async def test_a_year_of_weeks_is_one_partition_beside_those_within_the_time(era: Era) -> None:
    for week in range(52):
        await era.lived("rare" if week % 5 == 0 else "orders", save=week % 7 == 0)
        await era.go(WEEK)
        await era.retire()
    for table in ("events", "log_events", "fire_times"):
        assert len(await era.partitions(table)) <= 2 + 1 + 1 + 4
    assert len(await era.tasks()) <= 2 * 4 + 3
    await era.is_sound()


async def test_two_replicas_at_once_under_load_lose_nothing(era: Era, database_url: str) -> None:
    for _ in range(4):
        for collection in range(8):
            await era.lived(f"c{collection}", Status.FAILED if collection == 3 else Status.SUCCESS)
        await era.go(WEEK)
    await era.service.project()
    await era.seal()
    stop = asyncio.Event()
    lived = []

    async def live(part: int) -> None:
        while not stop.is_set():
            lived.append(await era.lived(f"live{part}", lines=3))

    async with opened(database_url) as other:
        lives = [asyncio.create_task(live(0))]
        done = [await asyncio.gather(retire(era.pool, keep=KEEP, last_runs=2), retire(other, keep=KEEP, last_runs=2))]
        while not all(done[-1]):
            done.append(
                await asyncio.gather(retire(era.pool, keep=KEEP, last_runs=2), retire(other, keep=KEEP, last_runs=2))
            )
        stop.set()
        await asyncio.gather(*lives)
    assert set(lived) <= await era.tasks()
    assert set(lived) <= await era.logged()
    assert len(await era.partitions("events")) < 9
    await era.is_sound()


async def test_a_time_that_is_no_whole_number_of_days_seals_no_day_too_few(era: Era) -> None:
    for _ in range(4):
        await era.lived("orders")
        await era.go(timedelta(days=5, hours=7))
    assert (await retire(era.pool, keep=timedelta(hours=36), last_runs=None)).complete
    await era.is_sound()


async def test_only_the_owner_may_shift_the_clock_that_decides_what_is_old(era: Era) -> None:
    await era.lived("orders")
    before = await era.streams()
    role = f"stranger_{uuid4().hex}"
    await era.admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' IN ROLE syncline_app")
    try:
        async with era.admin.transaction():
            await era.admin.execute(f"SET LOCAL SESSION AUTHORIZATION {role}")
            await era.admin.execute("SET LOCAL syncline.clock_offset = '400 days'")
            for statement in (
                "retire_tasks('1 day')",
                "retire_fire_times('1 day')",
                "retire_logs(1, NULL)",
                "ensure_partitions()",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only the owner of the tables may shift"):
                    async with era.admin.transaction():
                        await era.admin.execute(f"SELECT syncline.{statement}")
    finally:
        await era.admin.execute(f"DROP ROLE {role}")
    assert await era.streams() == before


async def test_it_gives_way_to_whoever_reads_long_and_holds_nobody_up(era: Era, database_url: str) -> None:
    await era.lived("orders")
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    before = await era.tasks()
    async with opened(database_url) as other, other.acquire() as connection:
        async with connection.transaction():
            await connection.fetch("SELECT count(*) FROM syncline.events")
            assert not await era.retire()
            await era.lived("users")
        assert before < await era.tasks()
        assert await era.retire()
    assert not before < await era.tasks()
    await era.is_sound()


async def test_a_comparison_sees_events_before_or_after_never_between(era: Era, database_url: str) -> None:
    await era.lived("orders")
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    await era.service.project()
    async with opened(database_url) as other, store.transaction(other, snapshot=True) as connection:
        assert not await era.retire()
        assert await connection.fetchval("SELECT count(DISTINCT task) FROM syncline.events") == 2
    assert await era.retire()
    assert await verify(era.pool) == []


@pytest.mark.parametrize("name", ["collections", "bookmarks", "table_schemas"])
async def test_a_rebuild_begins_again_when_events_went_meanwhile(
    era: Era, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await era.lived("orders", Status.FAILED, save=True)
    await era.go(KEEP + WEEK)
    await era.service.schedule("orders")
    read = Survey.read
    surveys = []

    async def overtaken(survey: Survey, pool: Pool) -> None:
        surveys.append(survey)
        await read(survey, pool)
        assert await era.retire()

    monkeypatch.setattr(Survey, "read", overtaken)
    await rebuild(era.pool, name)
    assert len(surveys) == 2
    assert await verify(era.pool) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT syncline.retire_tasks('23 hours')",
        "SELECT syncline.retire_tasks(NULL)",
        "SELECT syncline.retire_logs(0, NULL)",
        "SELECT syncline.retire_logs(1, '1 hour')",
        "SELECT syncline.retire_fire_times('0')",
        "SELECT syncline.replace_partitions('events', ARRAY['x'], 'x', NULL, now())",
        "SELECT syncline.attach('events', 'x', NULL, now())",
        "SELECT syncline.carry_failures(NULL, NULL, NULL)",
        "UPDATE syncline.retention SET sealed_before = now()",
        "DELETE FROM syncline.retired_failures",
        "DROP TABLE syncline.{partition}",
        "TRUNCATE syncline.{partition}",
        "DELETE FROM syncline.{partition}",
        "ALTER TABLE syncline.events DETACH PARTITION syncline.{partition}",
    ],
)
async def test_the_application_has_no_other_way_to_be_rid_of_something(era: Era, statement: str) -> None:
    partition = (await era.partitions("events"))[0]
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)):
        await era.pool.execute(statement.format(partition=partition))
