"""Migrations go up from every revision with rows in it, down again, once however many start them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy.exc import OperationalError

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.bootstrap.migrations import migrate as bring_to_head
from app.domain.errors import DatabaseUnreachableError
from app.projections import verify
from app.store.log import LineBlock, append_lines
from app.store.queries import load_statements
from app.store.resets import reset_collection
from tests.harness import FOREVER, a_task, opened_store
from tests.integration.projections.service import running_service
from tests.servers.postgres import ROOT, create_database, database_name, drop_database, migrate, step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.harness import Store

VERSIONS = sorted((ROOT / "migrations" / "versions").glob("*.py"))
REVISIONS = [
    script.revision
    for script in reversed([*ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).walk_revisions()])
]

LEFT = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('syncline', 'reporting') AND c.relname NOT LIKE 'alembic_version%'
UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'syncline'::regnamespace
"""


# As they are without pools, causes, and starts that say more than their number.
OLD_CLAIM = (
    load_statements("queue.sql")["claim_tasks"]
    .replace("pool = ANY ($6::text[]) AND ", "")
    .replace("unnest($6::text[]) AS served (pool)", "(SELECT) AS served")
    .replace("c.pool = served.pool AND ", "")
    .replace("), said AS (\n  SELECT $7::jsonb AS data\n", "")
    .replace(" || (SELECT data FROM said)", "")
)
OLD_SCHEDULE = (
    load_statements("queue.sql")["schedule_tasks"]
    .replace(", 'pool', nullif(pool, 'default')", "")
    .replace(",\n              $9::text[])", ")")
    .replace(", pool)", ")")
    .replace(", 0, pool\n", ", 0\n")
    .replace(",\n      pool = excluded.pool", "")
    .replace("\n         || coalesce($11::jsonb #> ARRAY[source, collection], '{}')", "")
    .replace("$10", "$9")
)
# As it was without systems.
OLD_APPEND = (
    load_statements("log.sql")["append_log"].replace(", system", "").replace(", $13::text[]", "").replace("$14", "$13")
)
OLD_LINE = (
    "INSERT INTO syncline.log_events (task, attempt, line, at, level, message)"
    " VALUES ($1, 1, $2, syncline.clock(), 'info', 'of an old one')"
)
OLD_REGISTER = load_statements("leases.sql")["register_worker"].replace(", pools", "").replace(", $6::text[]", "")


@pytest.mark.parametrize("revision", [*reversed(REVISIONS[:-1]), "base"])
async def test_a_filled_database_goes_down_and_up_again(database_url: str, revision: str) -> None:
    async with running_service(database_url) as service:
        await service.history()
        await service.project()
    step(database_url, "downgrade", revision)
    if revision == "base":
        with psycopg.connect(database_url) as connection:
            assert connection.execute(LEFT).fetchall() == []
    step(database_url, "upgrade", "head")
    async with running_service(database_url) as service:
        await service.live("new")
        await service.project()
        assert await verify(service.pool) == []


@pytest.mark.parametrize(("direction", "revision"), [("upgrade", "0016"), ("downgrade", "0015")])
def test_the_heads_come_and_go_only_without_anybody_else(database_url: str, direction: str, revision: str) -> None:
    go = partial(getattr(command, direction), _config(database_url), revision)
    if direction == "upgrade":
        command.downgrade(_config(database_url), "0015")
    with psycopg.connect(database_url, application_name="syncline api", autocommit=True) as connection:
        with pytest.raises(OperationalError, match="end these processes first: syncline api"):
            go()
        connection.execute("SET application_name = 'a report'")
        connection.execute(
            "INSERT INTO syncline.workers"
            " (worker, host, pid, release, slots, state, started_at, renewed_at, lease_until)"
            " VALUES (gen_random_uuid(), 'alpha', 7, '0.1.1', 1, 'active', now(), now(), now() + interval '1 minute')"
        )
        with pytest.raises(OperationalError, match=r"the end of their leases: alpha \(pid 7\)"):
            go()
        connection.execute("UPDATE syncline.workers SET state = 'lost'")
        go()


@pytest.mark.parametrize("lost", ["collection_status", "tasks", "task_queue"])
async def test_what_the_old_tables_do_not_agree_on_is_not_dropped(database_url: str, lost: str) -> None:
    async with running_service(database_url) as service:
        await service.history()
    step(database_url, "downgrade", "0015")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DELETE FROM syncline.{lost} WHERE collection = 'users'".encode())
    with pytest.raises(OperationalError, match="run 'syncline projections rebuild all' of the release before"):
        step(database_url, "upgrade", "head")


def test_a_migration_that_finds_others_says_so_in_a_sentence(database_url: str) -> None:
    command.downgrade(_config(database_url), "0015")
    with (
        psycopg.connect(database_url, application_name="syncline worker"),
        pytest.raises(DatabaseUnreachableError) as refused,
    ):
        bring_to_head(database_url)
    assert str(refused.value).endswith(
        " failed: this migration needs the database for itself: end these processes first: syncline worker"
    )


def test_the_tables_are_as_they_are_described(database_url: str) -> None:
    command.check(_config(database_url))


def test_replicas_that_migrate_at_once_do_it_once(empty_database_url: str) -> None:
    environment = os.environ | {"DATABASE_URL": empty_database_url, "PYTHONWARNINGS": "error"}
    environment.pop("DATABASE_DIRECT_URL", None)
    replicas = [
        subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ends = [(replica.communicate(timeout=60)[1], replica.returncode) for replica in replicas]
    assert [code for _, code in ends] == [0, 0, 0], ends
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT version_num FROM syncline.alembic_version").fetchall() == [(REVISIONS[-1],)]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_no_step_waits_long_for_a_lock(path: Path) -> None:
    upgrade, _, downgrade = path.read_text().partition("\ndef upgrade()")[2].partition("\ndef downgrade()")
    for function in (upgrade, downgrade):
        first = function.splitlines()[1].strip()
        assert first.startswith('op.execute("SET LOCAL lock_timeout ='), first


NEWER_COLUMNS = {"system", "pool", "pools", "paused_since", "paused_until", "paused_by", "pause_note", "in_catalogue"}
REPORTS = """
SELECT c.relname AS view, a.attname AS column, col_description(c.oid, a.attnum) AS comment,
       obj_description(c.oid) AS about, c.relacl::text AS rights, pg_get_userbyid(c.relowner)::text AS owner
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'reporting'::regnamespace ORDER BY c.relname, a.attnum
"""


async def test_tasks_keep_their_pools_over_a_downgrade(database_url: str) -> None:
    async with opened_store(database_url) as store:
        before = await store.admin.fetch(REPORTS)
        worker = await store.worker()
        await store.schedule("ended", pool="us")
        [claim] = await store.queue.claim(worker, 1, pools=["us"])
        assert await store.end(worker, claim)
        await store.schedule("queued", pool="eu")
        await store.schedule("usual")
    step(database_url, "downgrade", "0016")
    async with opened_store(database_url) as store:
        older = await store.admin.fetch(REPORTS)
        known = {row["view"] for row in older}
        assert [row for row in before if row["view"] in known and row["column"] not in NEWER_COLUMNS] == older
        assert await store.admin.fetchval("SELECT count(*) FROM reporting.queue") == 2
    step(database_url, "upgrade", "head")
    async with opened_store(database_url) as store:
        assert await store.admin.fetch(REPORTS) == before
        rows = await store.admin.fetch("SELECT collection, pool FROM syncline.collections ORDER BY collection")
        assert [tuple(row) for row in rows] == [("ended", "us"), ("queued", "eu"), ("usual", "default")]
        assert await verify(store.pool) == []


async def test_a_log_loses_only_its_systems_on_the_way_back(database_url: str) -> None:
    async with opened_store(database_url) as store:
        before = await store.admin.fetch(REPORTS)
        claim = await store.claimed(worker := await store.worker())
        blocks = [LineBlock.of(1, 0.0, "info", ["of a tap"], system="tap-shop"), LineBlock.of(2, 0.0, "info", ["ours"])]
        assert await append_lines(store.pool, worker, [(claim, blocks)], now=0.0) == set()
        assert await systems(store) == ["Syncline", "tap-shop", "Syncline"]
    step(database_url, "downgrade", "0029")
    async with opened_store(database_url) as store:
        older = await store.admin.fetch(REPORTS)
        assert [row for row in before if row["column"] != "system"] == older
        assert await store.admin.fetchval("SELECT count(*) FROM reporting.task_logs") == 3
        await store.admin.execute(OLD_LINE, claim.task, 3)
    step(database_url, "upgrade", "head")
    async with opened_store(database_url) as store:
        assert await store.admin.fetch(REPORTS) == before
        assert await systems(store) == ["Syncline"] * 4


async def test_a_process_from_before_systems_goes_on_with_its_log(database_url: str) -> None:
    async with opened_store(database_url) as store:
        claim = await store.claimed(worker := await store.worker())
        attempt = ([claim.source], [claim.collection], [claim.task], [claim.attempt], [claim.number])
        lines = ([1], [1], [1], [0.0], ["info"], ['{"of an old one"}'])
        again = False
        assert len(await store.pool.fetch(OLD_APPEND, worker, *attempt, *lines, again)) == 1
        assert await store.messages(claim.task) == ["Running task...", "of an old one"]
        assert await systems(store) == ["Syncline"] * 2


async def systems(store: Store) -> list[str]:
    return [
        row["system"] for row in await store.admin.fetch("SELECT * FROM reporting.task_logs ORDER BY attempt, line")
    ]


async def test_processes_from_before_pools_go_on(database_url: str) -> None:
    async with opened_store(database_url) as store:
        old = await store.pool.fetchval(OLD_REGISTER, "h", 1, "0", 1, FOREVER)
        await store.schedule("a", pool="eu")
        named = (["s"], ["b"], ["t"], ["api"], [300], [None], [1], [None], None)
        assert len(await store.pool.fetch(OLD_SCHEDULE, *named)) == 1
        assert [row["collection"] for row in await store.pool.fetch(OLD_CLAIM, old, 5, [], [], [])] == ["a", "b"]
        assert await store.pool.fetchval("SELECT pools FROM syncline.workers") == ["default"]
        assert await verify(store.pool) == []


async def test_a_request_for_another_task_is_not_lost_on_the_way_back(database_url: str) -> None:
    """The release before would end the task without the next one."""
    async with opened_store(database_url) as store:
        worker = await store.worker()
        claim = await store.claimed(worker)
        await store.queue.schedule(a_task(), again=True)
        refusal = rf"request for another run; wait until they end, or cancel them, then try again: s_c_{claim.task}"
        with pytest.raises(OperationalError, match=refusal):
            command.downgrade(_config(database_url), "0017")
        assert await store.end(worker, claim)
    command.downgrade(_config(database_url), "0017")
    step(database_url, "upgrade", "head")
    async with opened_store(database_url) as store:
        assert await verify(store.pool) == []


async def test_a_request_for_another_task_comes_back_from_its_event(database_url: str) -> None:
    """Where somebody went back all the same."""
    async with opened_store(database_url) as store:
        claim = await store.claimed(await store.worker())
        await store.queue.schedule(a_task(), again=True)
        await store.schedule("queued")
        await store.admin.execute("UPDATE syncline.collections SET again = NULL")
    command.downgrade(_config(database_url), "0017")
    step(database_url, "upgrade", "head")
    async with opened_store(database_url) as store:
        assert await verify(store.pool) == []
        again = await store.pool.fetchval("SELECT again FROM syncline.collections WHERE task = $1", claim.task)
        assert again == a_task().request


async def test_wide_generations_are_narrowed_on_the_way_back(database_url: str) -> None:
    async with opened_store(database_url) as store:
        await reset_collection(store.pool, "s", "c")
        claim = await store.claimed(worker := await store.worker())
        await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark={"at": 1})
    step(database_url, "downgrade", "0007")
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT r.generation = b.generation, r.generation - extract(epoch FROM r.reset_at)::integer, "
            "pg_typeof(r.generation)::text FROM syncline.resets r JOIN syncline.bookmarks b USING (source, collection)"
        ).fetchone()
    assert row is not None
    assert row[0]
    assert abs(row[1]) <= 1
    assert row[2] == "integer"


async def test_wide_generations_are_regained_on_the_way_forth_where_no_older_release_has_gone_on(
    database_url: str,
) -> None:
    async with opened_store(database_url) as store:
        worker = await store.worker()
        wide = {name: await reset_collection(store.pool, "s", name) for name in ("kept", "loaded")}
        for name in wide:
            for destination in ("one", "two"):
                await _save(store, worker, name, destination)
    step(database_url, "downgrade", "0007")
    with psycopg.connect(database_url) as connection:
        connection.execute(SAVED_BY_THE_OLDER_RELEASE)
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT collection, r.generation, array_agg(b.generation) FROM syncline.resets r"
            " JOIN syncline.bookmarks b USING (source, collection) GROUP BY 1, 2 ORDER BY 1"
        ).fetchall()
    narrow = wide["loaded"] // 4096 // 1000
    assert rows == [("kept", wide["kept"], [wide["kept"]] * 2), ("loaded", narrow, [narrow] * 2)]


# With the generation that it has found, which the event has too.
SAVED_BY_THE_OLDER_RELEASE = """
INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
SELECT e.task, 1000, e.type, e.at, e.status, e.attempt, e.worker,
       e.data || jsonb_build_object('generation', b.generation)
FROM syncline.bookmarks b JOIN syncline.events e USING (task)
WHERE b.collection = 'loaded' AND b.destination = 'two' AND e.type = 'BookmarkSaved'
"""


async def _save(store: Store, worker: UUID, collection: str, destination: str) -> None:
    claim = await store.claimed(worker, collection)
    await store.streams.save_bookmark(worker, claim, commit=1, destination=destination, rows=1, bookmark={"at": 1})
    assert await store.end(worker, claim)


async def test_a_login_that_may_not_make_roles_migrates_where_they_exist(
    postgres_server_url: str, database_url: str
) -> None:
    """`database_url` sees to it that the roles are there."""
    with _login(postgres_server_url) as url:
        migrate(url)
        await _works(url)
    assert database_url


async def test_a_login_that_may_not_make_roles_migrates_a_server_without_them(fresh_server_url: str) -> None:
    with _login(fresh_server_url) as url:
        migrate(url)
        await _works(url)
        with psycopg.connect(url) as connection:
            roles = connection.execute("SELECT FROM pg_roles WHERE rolname IN ('syncline_owner', 'syncline_app')")
            assert roles.fetchall() == []


async def test_a_login_that_may_make_roles_but_is_no_superuser_migrates(fresh_server_url: str) -> None:
    """From PostgreSQL 16 on, who makes a role may administer it, and does not act as it unless it grants that."""
    with _login(fresh_server_url, may_make_roles=True) as url:
        migrate(url)
        await _works(url)
        with psycopg.connect(url) as connection:
            owners = connection.execute(
                "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = 'events'"
            ).fetchall()
            assert owners == [("syncline_owner",)]


@pytest.fixture
def fresh_server_url() -> Iterator[str]:
    """A server of its own: roles belong to the whole server."""
    with tempfile.TemporaryDirectory(prefix="syncline-roles-") as home:
        try:
            server = EmbeddedPostgres(Path(home), durable=False)
        except (ImportError, OSError) as error:
            pytest.skip(f"no server's programs here: {error}")
        with server as postgres:
            yield postgres.url


@contextmanager
def _login(server_url: str, *, may_make_roles: bool = False) -> Iterator[str]:
    """A login with a database of its own."""
    url = create_database(server_url)
    name = database_name(url)
    role = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        right = sql.SQL("CREATEROLE" if may_make_roles else "NOCREATEROLE")
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD 'secret'").format(role, right))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, role))
    yield _as(url, name)
    drop_database(url, server_url=server_url)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def _as(url: str, user: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user)}:secret@{place}").geturl()


async def _works(url: str) -> None:
    async with running_service(url) as service:
        await service.history()
        await service.project()
        assert await verify(service.pool) == []


def _config(url: str) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config
