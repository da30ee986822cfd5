"""The databases that past releases have left are migrated, rebuilt and gone on with by this one, without a loss."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from socket import gethostname
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from app.bootstrap.migrations import migrate
from app.bootstrap.schema_version import head
from app.config.reader import load_catalogue
from app.projections import PROJECTIONS, rebuild_all, verify
from app.store.retention import retire
from app.store.seals import seal_weeks
from tests.acceptance.cluster import TOKEN
from tests.harness import Store, opened_store, running_worker
from tests.integration.api.serving import opened_api
from tests.integration.projections.service import running_service
from tests.integration.scheduling.scheduling import Scheduling
from tests.releases.catalogue import write_catalogue
from tests.releases.contents import list_missing, list_traces
from tests.releases.dumps import list_dumps, read, release_of, restore
from tests.servers.postgres import ROOT, database_name, step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ALWAYS = {"start": "1970-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"}
ACTIVE = ("SCHEDULED", "RUNNING")
TABLES = (*PROJECTIONS, "daily_collection_histogram")
# Ten minutes after the newest event of the dump, on whatever day the test runs.
SOON_AFTER = "SELECT (max(at) + interval '10 minutes' - clock_timestamp())::text FROM syncline.events"


@dataclass(frozen=True, kw_only=True)
class Left:
    """What the release has left: the version of its schema, and the status of each task."""

    url: str
    schema: str
    statuses: dict[str, str]
    views: dict[str, int]


@pytest.fixture(params=list_dumps(), ids=release_of)
def left(request: pytest.FixtureRequest, migrated_template: str, empty_database_url: str) -> Left:
    """A dump, restored; with `migrated_template` the server has the roles."""
    assert migrated_template
    restore(request.param, empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        [(offset,)] = connection.execute(SOON_AFTER)
        name = database_name(empty_database_url)
        connection.execute(f"ALTER DATABASE {name} SET syncline.clock_offset = '{offset}'".encode())
    with psycopg.connect(empty_database_url) as connection:
        [(schema,)] = connection.execute("SELECT version_num FROM syncline.alembic_version")
        assert list_missing(connection, schema) == []
        return Left(
            url=empty_database_url,
            schema=schema,
            statuses=_read_statuses(empty_database_url),
            views=_count_views(connection),
        )


def test_every_release_has_left_a_dump() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changes, re.MULTILINE)
    assert [release_of(file) for file in list_dumps()] == [*reversed(releases)], "see 'A release' in CONTRIBUTING.md"


@pytest.mark.parametrize("file", list_dumps(), ids=release_of)
def test_a_dump_tells_nothing_of_the_machine_that_made_it(file: Path) -> None:
    text = read(file).decode()
    assert re.findall(r"/(?:home|mnt|private|root|tmp|Users|usr|var|work)/\S*", text) == []
    assert set(re.findall(r"worker (\S+) \(pid", text)) == {"worker.example"}


def test_a_dump_that_tells_of_its_machine_is_noticed() -> None:
    text = f"a path: {ROOT / 'app'}, a worker: {gethostname()} (pid 1), a word: x{gethostname()}x"
    assert list_traces("nothing of it", ROOT) == []
    assert len(list_traces(text.replace(", ", "\n"), ROOT)) == 2


async def test_what_a_release_has_left_is_the_same_after_the_migration_and_a_rebuild(
    left: Left, tmp_path: Path
) -> None:
    await asyncio.to_thread(migrate, left.url)
    with psycopg.connect(left.url) as connection:
        assert left.views.items() <= _count_views(connection).items()
    async with running_service(left.url) as service, opened_store(left.url) as store:
        await service.project()
        assert await verify(service.pool) == []
        before = await _projected(store)
        counts = await rebuild_all(service.pool)
        assert counts["tasks"] == sum(status not in ACTIVE for status in left.statuses.values())
        assert await _projected(store) == before
        assert await verify(service.pool) == []
    async with _client(left.url, write_catalogue(tmp_path, schema=head())) as client:
        assert await _listed(client, left) == left.statuses


@pytest.mark.long
async def test_the_tasks_of_a_release_go_on_and_nothing_is_lost_on_the_way_back_and_forth(
    left: Left, tmp_path: Path
) -> None:
    await asyncio.to_thread(migrate, left.url)
    config = write_catalogue(tmp_path, schema=head())
    async with opened_store(left.url) as store, _client(left.url, config) as client:
        active = await store.pool.fetch(
            "SELECT task, status FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING')"
        )
        async with running_worker(left.url, config, pools=()):
            for row in active:
                assert await store.ended(row["task"]) == "SUCCESS"
                is_rescued = "AttemptRescued" in await store.types(row["task"])
                assert is_rescued == (row["status"] == "RUNNING")
            reset = {"source": "shop", "collection": "orders"}
            assert (await client.post("/api/v1/sources/clear_cache", json=reset)).is_success
            collections = await store.pool.fetch("SELECT source, collection FROM syncline.collections")
            answers = [await client.post("/api/v1/tasks", params=dict(row)) for row in collections]
            for answer in answers:
                assert await store.ended(answer.json()["task_id"][-36:]) == "SUCCESS"
    await _schedules_go_on(left)
    await _is_sound(left)

    statuses = _read_statuses(left.url)
    await asyncio.to_thread(step, left.url, "downgrade", left.schema)
    await asyncio.to_thread(migrate, left.url)
    assert _read_statuses(left.url) == statuses
    await _is_sound(left)


async def _schedules_go_on(left: Left) -> None:
    """After eight days each schedule has fire times to decide, and retention has a week to remove."""
    async with opened_store(left.url) as store:
        offset = await store.pool.fetchval("SELECT (syncline.clock() - clock_timestamp() + interval '8 days')::text")
        await store.move_clock(offset)
    async with running_service(left.url) as service, opened_store(left.url) as store:
        scheduling = Scheduling(store)
        before = await scheduling.outcomes("daily")
        await scheduling.decide()
        assert await scheduling.outcomes("daily") - before == {"missed": 7, "started": 1}
        await scheduling.notifier.aclose()
        await service.project()
        await seal_weeks(store.pool)
        assert (await retire(store.pool, keep=timedelta(days=1), last_runs=1)).rounds


async def _is_sound(left: Left) -> None:
    async with running_service(left.url) as service:
        await service.project()
        assert await verify(service.pool) == []


@asynccontextmanager
async def _client(url: str, config: Path) -> AsyncIterator[httpx.AsyncClient]:
    text = config.read_text()  # noqa: ASYNC240 - a small file, and nothing else runs
    async with opened_api(url) as api:
        api.surroundings.catalogue = load_catalogue(text, {})
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api.app), base_url="http://syncline", headers={"X-Admin-Token": TOKEN}
        ) as client:
            yield client


async def _listed(client: httpx.AsyncClient, left: Left) -> dict[str, str]:
    """The statuses that the API tells, by the tasks' ids in the store."""
    with psycopg.connect(left.url) as connection:
        sources = [row[0] for row in connection.execute("SELECT DISTINCT source FROM reporting.tasks")]
    answers = [await client.get("/api/v1/tasks", params=ALWAYS | {"source": source}) for source in sources]
    return {task["id"][-36:]: task["status"] for answer in answers for task in answer.json()["tasks"]}


def _read_statuses(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT task::text, status FROM reporting.tasks").fetchall())


async def _projected(store: Store) -> dict[str, list[str]]:
    """The rows of every projection."""
    return {
        table: [
            row[0]
            for row in await store.admin.fetch(
                f"SELECT (to_jsonb(t) - 'generation')::text FROM syncline.{table} t ORDER BY 1"
            )
        ]
        for table in TABLES
    }


def _count_views(connection: psycopg.Connection) -> dict[str, int]:
    """The number of rows of every view for reports."""
    names = [row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'reporting'")]
    counts = {}
    for name in names:
        [(counts[name],)] = connection.execute(f"SELECT count(*) FROM reporting.{name}".encode())
    return counts
