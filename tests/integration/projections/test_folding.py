"""Streams that the store folds by sets become what the one definition, `evolve`, makes of them; the others go to it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from app.domain import events as types
from app.domain.events import Event
from app.domain.task import IllegalTransitionError
from app.projections import ProjectionRunner, rebuild, rebuild_all, verify
from app.projections.histogram import GAMMA, LOG_GAMMA, bucket_of
from app.store import daily_stats, folding

if TYPE_CHECKING:
    from tests.integration.projections.service import Service

BEGINNING = datetime(2024, 2, 28, 23, 59, 50, tzinfo=UTC)
OUTCOMES = {types.TASK_SUCCEEDED: "SUCCESS", types.TASK_FAILED: "FAILED", types.TASK_CANCELED: "CANCELED"}
RETRIES = (types.ATTEMPT_FAILED, types.ATTEMPT_RESCUED, types.ATTEMPT_HANDED_BACK)


def lives(random: Random) -> list[list[Event]]:
    """Streams of tasks of three collections, one after the other; of each collection the last one may be active."""
    tasks = [_life(random, number, f"c{number % 3}") for number in range(300)]
    for number, collection in enumerate(("c0", "c1")):
        tasks.append(_life(random, 300 + number, collection)[: number + 1])
    return tasks


def _life(random: Random, number: int, collection: str) -> list[Event]:
    at = BEGINNING + timedelta(hours=7 * number)
    task = uuid.UUID(int=(int(at.timestamp() * 1000) << 80) | 7 << 76 | 2 << 62 | number)
    stream: list[Event] = []

    def say(type_: str, status: str, attempt: int, **data: Any) -> None:
        nonlocal at
        at += random.choice([timedelta(0), timedelta(microseconds=1), timedelta(seconds=9), -timedelta(seconds=2)])
        stream.append(Event(task, len(stream) + 1, type_, at, status, attempt, None, data))

    def say_perhaps(type_: str, status: str, attempt: int, **data: Any) -> None:
        if random.random() < 0.1:
            say(type_, status, attempt, **data)

    def error() -> dict[str, Any]:
        return random.choice([{}, {"error": "it did not work"}, {"error": ""}, {"error": None}])

    again = {"source_type": "synthetic", "trigger": "api", "priority_class": 300, "max_attempts": 3, "pool": "eu"}
    say(
        types.TASK_SCHEDULED,
        "SCHEDULED",
        0,
        source="shop",
        collection=collection,
        source_type="synthetic",
        trigger="schedule",
        fire_time=random.choice([None, "2024-02-28T23:59:00+00:00"]),
        priority=200,
        max_attempts=3,
        **random.choice([{}, {"backfill": "2024-01-01T00:00:00Z/2024-02-01T00:00:00Z"}]),
    )
    for attempt in range(1, random.randint(2, 4)):
        if random.random() < 0.1:
            say(types.TASK_CANCELED, "CANCELED", attempt - 1, **error())
            return stream
        say(types.TASK_STARTED, "RUNNING", attempt)
        for commit in range(random.randint(0, 2)):
            about = {"destination": random.choice(["warehouse", "lake"]), "rows": random.randint(0, 2**40)}
            say(types.BOOKMARK_SAVED, "RUNNING", attempt, **about, bookmark={"id": commit}, generation=0, commit=commit)
        say_perhaps(types.CANCEL_REQUESTED, "RUNNING", attempt)
        say_perhaps(types.RUN_AGAIN_REQUESTED, "RUNNING", attempt, **again)
        say_perhaps("TaskAdmired", random.choice(["RUNNING", "SUCCESS"]), attempt)
        if random.random() < 0.6:
            type_ = random.choice(sorted(OUTCOMES))
            say(type_, OUTCOMES[type_], attempt, **error())
            return stream
        run_at = (at + timedelta(minutes=1)).isoformat()
        say(random.choice(RETRIES), "SCHEDULED", attempt, run_at=run_at, **error())
        say_perhaps(types.RUN_AGAIN_REQUESTED, "SCHEDULED", attempt, **again)
    say(types.TASK_CANCELED, "CANCELED", attempt, **error())
    return stream


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_tasks_lived_through_the_rebuilt_rows_are_those_of_the_fold(
    service: Service, database_url: str, seed: int
) -> None:
    _write_history(database_url, lives(Random(seed)))  # noqa: S311 - it only has to vary
    assert (await rebuild_all(service.pool))["collections"] > 0
    await service.project()
    assert await verify(service.pool) == []


async def test_streams_of_a_newer_release_are_folded_by_the_one_definition(service: Service, database_url: str) -> None:
    """An event of an unknown type, and one in a version that only an upcast can read."""
    for collection in ("orders", "users"):
        await service.live(collection)
    await service.project()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE syncline.events DISABLE TRIGGER append_only")
        connection.execute("UPDATE syncline.events SET type = 'TaskPraised' WHERE type = 'BookmarkSaved'")
        connection.execute("UPDATE syncline.events SET v = 2 WHERE type = 'TaskStarted'")
        connection.execute("TRUNCATE syncline.tasks, syncline.collections, syncline.bookmarks")
    assert await rebuild_all(service.pool) == {
        "tasks": 2,
        "collections": 2,
        "bookmarks": 0,
        "table_schemas": 0,
        "pauses": 0,
        "resets": 0,
        "daily_collection_stats": 2,
    }
    assert await verify(service.pool) == []
    assert await service.pool.fetchval("SELECT sum(rows) FROM syncline.all_tasks") == 0


@pytest.mark.parametrize("wrong", ["version = 7 WHERE version = 3", "type = 'TaskStarted' WHERE version = 3"])
async def test_a_stream_that_is_no_life_stops_the_rebuild(service: Service, database_url: str, wrong: str) -> None:
    await service.live("orders")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE syncline.events DISABLE TRIGGER append_only")
        connection.execute(f"UPDATE syncline.events SET {wrong}".encode())
    with pytest.raises(IllegalTransitionError):
        await rebuild(service.pool, "tasks")


async def test_batches_of_whole_streams_cover_everything_once(
    service: Service, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "_BATCH_EVENTS", 3)
    monkeypatch.setattr(daily_stats, "_BATCH_TASKS", 2)
    for turn in range(5):
        await service.live("orders")
        await service.live(f"c{turn}")
    await service.schedule("orders")
    await service.history()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE syncline.tasks, syncline.collections, syncline.bookmarks")
    counts = await rebuild_all(service.pool)
    while await ProjectionRunner(service.pool).run_once():
        pass
    assert await verify(service.pool) == []
    ended = "SELECT count(*) FROM syncline.events WHERE type IN ('TaskSucceeded', 'TaskFailed', 'TaskCanceled')"
    assert counts["tasks"] == await service.pool.fetchval(ended)


async def test_statistics_count_what_the_events_say_whatever_the_list_of_tasks_said(
    service: Service, database_url: str
) -> None:
    await service.live("orders")
    active = await service.schedule("active")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE syncline.tasks SET status = 'CANCELED', rows = rows + 1")
        connection.execute(
            "INSERT INTO syncline.tasks SELECT wrong.* FROM syncline.all_tasks t, LATERAL jsonb_populate_record("
            "NULL::syncline.tasks, to_jsonb(t) || jsonb_build_object('finished_at', now(), 'status', 'SUCCESS')"
            ") AS wrong WHERE t.task = %s",
            [active],
        )
    await rebuild(service.pool, "daily_collection_stats")
    assert [drift for drift in await verify(service.pool) if "daily" in str(drift)] == []
    collections = await service.pool.fetch("SELECT collection FROM syncline.daily_collection_stats")
    assert {row["collection"] for row in collections} == {"orders"}


async def test_the_database_puts_every_time_into_the_same_bucket(database_url: str) -> None:
    """Around each bound of a bucket the two could differ; no whole number of microseconds is that near to one."""
    bounds = [int(Fraction(GAMMA) ** bucket) for bucket in range(1, 860)]
    values = sorted({1, 2, 3, *(bound + more for bound in bounds for more in (-1, 0, 1, 2) if bound + more > 0)})
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT ceil(ln(value::float8) / %s::float8)::integer"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY AS v (value, place) ORDER BY place",
            [LOG_GAMMA, values],
        ).fetchall()
    assert [row[0] for row in rows] == [bucket_of(value) for value in values]


def _write_history(url: str, streams: list[list[Event]]) -> None:
    """These events, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for event in (event for stream in streams for event in stream):
            connection.execute(
                "INSERT INTO syncline.events (task, version, type, at, status, attempt, data)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [event.task, event.version, event.type, event.at, event.status, event.attempt, Jsonb(dict(event.data))],
            )
