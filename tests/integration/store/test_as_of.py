"""Any moment of the past is as it was read then."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import events
from app.domain.task import Status
from app.store.leases import Leases
from app.store.pauses import Pauses
from app.store.resets import reset_collection
from app.store.streams import AttemptStreams
from tests.harness import a_task, ending
from tests.integration.retention.lives import KEEP, running_era
from tests.properties import examples
from tests.servers.postgres import create_database, drop_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from app.domain.claim import Claim
    from tests.integration.retention.lives import Era

ALL_TASKS = """
SELECT task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures,
       rows, error, created_at, started_at, finished_at, version, backfill
FROM {}
"""
QUEUE = """
SELECT task, source, collection, status, priority, run_at, attempt, failures, max_attempts, cancel_requested, worker,
       changed_at, pool
FROM {}
"""
COLLECTIONS = """
SELECT source, collection, last_task, last_status, last_success_at, last_failure_at, consecutive_failures, active_task,
       active_status, paused_since, paused_until
FROM {}
"""
ACTIVE = """
SELECT a.* FROM syncline.collections k CROSS JOIN LATERAL syncline.active_as_of(k.source, k.collection, {}) AS a
"""
MOST = "'18446744073709551615'::xid8"


@dataclass(frozen=True)
class Seen:
    """What was there, and when."""

    position: int
    at: datetime
    tasks: Mapping[UUID, asyncpg.Record]
    queue: Mapping[UUID, asyncpg.Record]
    collections: Mapping[tuple[str, str], asyncpg.Record]


async def look(era: Era) -> Seen:
    pool = era.pool
    position = await pool.fetchval("SELECT coalesce(max(xid), '0') FROM syncline.events")
    at = await pool.fetchval("SELECT syncline.clock()")
    return Seen(
        position,
        at,
        {row["task"]: row for row in await pool.fetch(ALL_TASKS.format("syncline.all_tasks"))},
        {row["task"]: row for row in await era.admin.fetch(QUEUE.format("reporting.queue"))},
        {(row["source"], row["collection"]): row for row in await era.admin.fetch(COLLECTIONS.format(_AT_NOW))},
    )


# reporting.collections asks now(), which the test has left behind.
_AT_NOW = """(
  SELECT k.*, p.since AS paused_since, nullif(p.ends_at, 'infinity') AS paused_until
  FROM (
    SELECT source, collection, last_task, last_status, last_success_at, last_failure_at, consecutive_failures,
           active_task, active_status
    FROM reporting.collections
  ) AS k LEFT JOIN LATERAL (
    SELECT since, ends_at FROM syncline.pauses p
    WHERE p.source = k.source AND p.collection IN (k.collection, '') AND p.ends_at > syncline.clock()
    ORDER BY p.ends_at DESC, p.collection DESC LIMIT 1
  ) AS p ON true
) AS collections"""


class Life:
    """Whatever may happen to three collections, by chance."""

    def __init__(self, era: Era, chance: random.Random) -> None:
        self.era = era
        self.chance = chance
        self.claims: list[Claim] = []

    async def step(self) -> None:
        steps = (self.schedule, self.schedule, self.claim, self.claim, self.end, self.end, self.cancel, self.write)
        rare = (self.rescue, self.reset, self.pause, self.resume, self.sleep)
        await self.chance.choice((*steps, *rare))()

    @property
    def _collection(self) -> str:
        return self.chance.choice("abc")

    async def schedule(self) -> None:
        again = self.chance.random() < 0.3
        pool = self.chance.choice(["default", "default", "eu"])
        await self.era.service.queue.schedule(a_task(self._collection, "s", pool=pool, max_attempts=2), again=again)

    async def claim(self) -> None:
        self.claims += await self.era.service.queue.claim(self.era.service.worker, 1, pools=["default", "eu"])

    async def end(self) -> None:
        if not self.claims:
            return
        claim = self.claims.pop(self.chance.randrange(len(self.claims)))
        endings: list[tuple[str, Status, dict[str, Any]]] = [
            (events.TASK_SUCCEEDED, Status.SUCCESS, {}),
            (events.TASK_FAILED, Status.FAILED, {"error": "lost"}),
            (events.ATTEMPT_FAILED, Status.SCHEDULED, {"error": "again", "delay": timedelta(seconds=1)}),
            (events.ATTEMPT_HANDED_BACK, Status.SCHEDULED, {}),
            (events.TASK_CANCELED, Status.CANCELED, {}),
        ]
        type_, status, more = self.chance.choice(endings)
        await self.era.service.queue.end_attempts(self.era.service.worker, [ending(claim, type_, status, **more)])

    async def cancel(self) -> None:
        tasks = await self.era.pool.fetch(
            "SELECT task FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING') ORDER BY task"
        )
        if tasks:
            await self.era.service.queue.cancel(self.chance.choice(tasks)["task"])

    async def write(self) -> None:
        if self.claims:
            streams, claim = AttemptStreams(self.era.pool), self.chance.choice(self.claims)
            worker = self.era.service.worker
            await streams.report_progress(worker, [(claim, {"records_read": 1, "bytes_read": 2})])
            commit = self.chance.randrange(10**6)
            await streams.save_bookmark(worker, claim, commit=commit, destination="d", rows=3, bookmark={"at": 1})

    async def rescue(self) -> None:
        await Leases(self.era.pool).rescue()
        self.claims.clear()

    async def reset(self) -> None:
        await reset_collection(self.era.pool, "s", self._collection)

    async def pause(self) -> None:
        until = None
        if self.chance.random() < 0.5:
            until = await self.era.pool.fetchval("SELECT syncline.clock()") + timedelta(
                days=self.chance.randrange(1, 9)
            )
        await Pauses(self.era.pool).pause("s", self.chance.choice([self._collection, None]), until=until)

    async def resume(self) -> None:
        await Pauses(self.era.pool).resume("s", self.chance.choice([self._collection, None]))

    async def sleep(self) -> None:
        await self.era.go(timedelta(days=self.chance.randrange(6)))
        self.claims.clear()


async def is_as_it_was(era: Era, seen: Seen, *, upto_at: str, upto_xid: str, is_complete: bool) -> None:
    """Whatever is still known of a moment is what was read then; all of it if nothing was retired."""
    at = f"'{seen.at}'::timestamptz"
    moment = f"{upto_at}, {upto_xid}, {at}, syncline.below_as_of({at}), syncline.week_as_of({at})"
    kept = {row["task"] for row in await era.pool.fetch("SELECT DISTINCT task FROM syncline.events")}
    tasks = await era.pool.fetch(ALL_TASKS.format(f"syncline.tasks_as_of(NULL, NULL, {moment})"))
    assert {row["task"]: row for row in tasks} == {task: row for task, row in seen.tasks.items() if task in kept}
    queue = await era.pool.fetch(QUEUE.format(f"({ACTIVE.format(moment)}) AS active"))
    assert {row["task"]: row for row in queue} == seen.queue
    collections = await era.pool.fetch(COLLECTIONS.format(f"syncline.collections_as_of({moment})"))
    for row in collections:
        expected = seen.collections.get((row["source"], row["collection"]))
        if expected is None or row["last_task"] is None:
            assert not is_complete
            continue
        for name, value in row.items():
            is_unknown = value is None and name in UNKNOWN_AFTER_RETENTION and not is_complete
            assert is_unknown or value == expected[name], (name, dict(row), dict(expected))
    assert seen.collections.keys() <= {(row["source"], row["collection"]) for row in collections}


UNKNOWN_AFTER_RETENTION = {"last_success_at", "last_failure_at", "consecutive_failures"}


async def horizon(era: Era) -> tuple[int, datetime | None]:
    [(gone_upto, complete_from)] = await era.pool.fetch(
        "SELECT coalesce(gone_upto, '0'), sealed_before::timestamp AT TIME ZONE 'UTC' FROM syncline.retention"
    )
    return gone_upto, complete_from


async def live(url: str, seed: int, steps: int) -> None:
    chance = random.Random(seed)  # noqa: S311 -- to say which life it was
    async with running_era(url) as era:
        life = Life(era, chance)
        seen: list[Seen] = []
        for number in range(steps):
            await life.step()
            seen.append(await look(era))
            if number % 25 == 24:
                await era.go(timedelta(days=8))
                life.claims.clear()
                assert await era.retire(keep=KEEP)
        gone_upto, complete_from = await horizon(era)
        is_complete = complete_from is None
        for moment in chance.sample(seen, min(len(seen), 25)):
            if moment.position > gone_upto:
                await is_as_it_was(
                    era, moment, upto_at="'infinity'", upto_xid=f"'{moment.position}'", is_complete=is_complete
                )
            if complete_from is None or moment.at >= complete_from:
                await is_as_it_was(era, moment, upto_at=f"'{moment.at}'", upto_xid=MOST, is_complete=is_complete)


@examples(5)
@given(seed=st.integers(0, 2**32), steps=st.sampled_from([20, 60, 120]))
def test_as_of_a_moment_everything_is_as_it_was_read_then(
    postgres_server_url: str, migrated_template: str, seed: int, steps: int
) -> None:
    url = create_database(postgres_server_url, template=migrated_template)
    try:
        asyncio.run(live(url, seed, steps))
    finally:
        drop_database(url, server_url=postgres_server_url)


@pytest.fixture
async def era(database_url: str) -> AsyncIterator[Era]:
    async with running_era(database_url) as era:
        yield era


async def collection_at(era: Era, at: datetime) -> asyncpg.Record:
    row = await era.admin.fetchrow("SELECT * FROM reporting.collections_as_of($1) WHERE collection = 'orders'", at)
    assert row is not None
    return row


async def clock(era: Era) -> datetime:
    now: datetime = await era.pool.fetchval("SELECT syncline.clock()")
    return now


async def test_failures_in_a_row_are_counted_since_the_last_success_of_then(era: Era) -> None:
    moments = []
    for status in (Status.FAILED, Status.SUCCESS, Status.FAILED, Status.FAILED, Status.SUCCESS):
        await era.lived("orders", status)
        moments.append(await clock(era))
    assert [(await collection_at(era, at))["consecutive_failures"] for at in moments] == [1, 0, 1, 2, 0]
    assert [(await collection_at(era, at))["last_status"] for at in moments][1:3] == ["SUCCESS", "FAILED"]


async def test_what_retention_has_removed_is_unknown_and_not_wrong(era: Era) -> None:
    for status in (Status.SUCCESS, Status.FAILED, Status.FAILED):
        await era.lived("orders", status)
    await era.go(KEEP + timedelta(days=7))
    await era.lived("orders", Status.CANCELED)
    before = await clock(era)
    await era.lived("orders", Status.SUCCESS)
    await era.lived("orders", Status.FAILED)
    row = await collection_at(era, before)
    assert (row["consecutive_failures"], row["last_success_at"] is None) == (2, False)
    assert await era.retire()
    row = await collection_at(era, before)
    assert (row["consecutive_failures"], row["last_success_at"], row["last_status"]) == (None, None, "CANCELED")
    row = await collection_at(era, await clock(era))
    assert row["consecutive_failures"] == 1


async def test_an_older_task_that_stays_is_not_taken_for_the_last_one(era: Era) -> None:
    await era.lived("orders", save=True)
    await era.lived("orders")
    await era.go(KEEP + timedelta(days=7))
    before = await clock(era)
    await era.lived("orders")
    assert (await collection_at(era, before))["last_status"] == "SUCCESS"
    assert await era.retire()
    row = await collection_at(era, before)
    assert (row["last_task"], row["last_success_at"]) == (None, None)


async def test_a_pause_whose_beginning_retention_has_removed_is_still_seen(era: Era) -> None:
    pauses = Pauses(era.pool)
    for _ in range(5):
        await era.lived("orders")
    await pauses.pause("shop", "orders")
    paused_since = await era.pool.fetchval("SELECT since FROM syncline.pauses")
    await era.go(KEEP + timedelta(days=7))
    within = await clock(era)
    await pauses.resume("shop", "orders")
    after = await clock(era)
    await era.lived("orders")
    assert await era.retire()
    assert await era.pool.fetchval("SELECT count(*) FROM syncline.events WHERE type = 'CollectionPaused'") == 0
    assert (await collection_at(era, within))["paused_since"] == paused_since
    assert (await collection_at(era, after))["paused_since"] is None


async def test_a_time_before_what_is_kept_is_refused(era: Era) -> None:
    await era.lived("orders")
    before = await clock(era)
    await era.go(KEEP + timedelta(days=7))
    await era.lived("orders")
    assert await era.retire()
    for function in ("tasks_as_of($1)", "queue_as_of($1)", "collections_as_of($1)"):
        with pytest.raises(asyncpg.NoDataFoundError, match="retention has removed tasks that had ended before"):
            await era.admin.fetch(f"SELECT * FROM reporting.{function}", before)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", None])
async def test_what_is_no_moment_is_refused(era: Era, moment: str | None) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="not a moment"):
        await era.admin.fetch("SELECT * FROM reporting.queue_as_of($1::text::timestamptz)", moment)


async def test_reports_may_look_back_and_at_nothing_else(era: Era) -> None:
    task = await era.lived("orders")
    await era.admin.execute("SET ROLE syncline_report")
    for function in ("tasks_as_of(now())", "queue_as_of(now())", "collections_as_of(now())"):
        await era.admin.fetch(f"SELECT * FROM reporting.{function}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await era.admin.fetch("SELECT * FROM syncline.folded($1, 'infinity', '1')", task)


async def test_the_queue_is_as_it_was(era: Era) -> None:
    running = (await era.claimed("orders")).task
    waiting = await era.service.schedule("users")
    at = await clock(era)
    await era.service.queue.cancel(waiting)
    await Leases(era.pool).stop(era.service.worker)
    await Leases(era.pool).rescue()
    await era.service.queue.cancel(running)
    rows = await era.admin.fetch("SELECT task, status, worker_host FROM reporting.queue_as_of($1) ORDER BY task", at)
    assert [tuple(row) for row in rows] == [(running, "RUNNING", "here"), (waiting, "SCHEDULED", None)]
    assert await era.admin.fetch("SELECT * FROM reporting.queue_as_of($1)", await clock(era)) == []


async def test_tasks_of_one_collection_are_found_alone(era: Era) -> None:
    tasks = {collection: await era.lived(collection) for collection in ("orders", "users")}
    active = await era.claimed("users")
    found = "SELECT task FROM reporting.tasks_as_of($1, $2, $3)"
    at = await clock(era)
    assert {row["task"] for row in await era.admin.fetch(found, at, "shop", "users")} == {tasks["users"], active.task}
    assert len(await era.admin.fetch(found, at, "shop", None)) == 3
    assert await era.admin.fetch(found, at, "other", None) == []
