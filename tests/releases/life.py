"""Fills a database with a small life of everything that a release can do, by the release's own processes.

It uses only their HTTP API and commands, and SQL for what has neither, so that it can drive a checkout of any release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from tests.acceptance.cluster import Cluster, wait_until
from tests.releases.catalogue import (
    POOL,
    POOLS,
    RENEWED_CONFIGS,
    RETENTION_DAYS,
    RUN_AGAIN,
    add_orders,
    write_catalogue,
)
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.cluster import Api, Process

LONG_AGO: Final = "-120 days"
_SECONDS: Final = 120
_PROJECTED: Final = """
SELECT (SELECT max(xid::text::numeric) FROM syncline.events)
    <= (SELECT max(xid::text::numeric) FROM syncline.checkpoints WHERE state = 'live')
"""
_RETIRED: Final = """
SELECT EXISTS (SELECT FROM pg_class WHERE relname LIKE 'events_until_%')
   AND EXISTS (SELECT FROM syncline.retired_failures)
"""
_FIRED: Final = (
    "SELECT count(DISTINCT outcome) = 3 FROM syncline.fire_times WHERE decided_at > syncline.clock() - interval '1h'"
)
_QUIET: Final = """
SELECT NOT EXISTS (SELECT FROM syncline.schedules WHERE collection = 'often' AND active)
   AND NOT EXISTS (SELECT FROM reporting.queue)
"""
_EXPIRED: Final = """
SELECT count(*) = 1 FROM reporting.queue q JOIN syncline.workers w USING (worker)
WHERE q.status = 'RUNNING' AND w.lease_until < syncline.clock()
"""


@dataclass(frozen=True, kw_only=True)
class Life:
    """A database at `url`, filled by the processes of `cluster`; `schema` is the version that they made."""

    url: str
    cluster: Cluster
    schema: str

    @property
    def directory(self) -> Path:
        return self.cluster.directory

    def wait(self, what: str, query: str) -> None:
        """Until the database answers the query with true."""
        wait_until(what, lambda: self._ask(query), seconds=_SECONDS)

    def run(self, api: Api, source: str, collection: str, *, status: str = "SUCCESS") -> None:
        """A task from beginning to end."""
        self.ends(api, api.run(source, collection), status)

    def ends(self, api: Api, task: str, status: str) -> None:
        wait_until(f"{task} is {status}", lambda: api.task(task)["status"] == status, seconds=_SECONDS)

    def runs(self, api: Api, source: str, collection: str) -> str:
        """A task that has started."""
        task = api.run(source, collection)
        self.ends(api, task, "RUNNING")
        return task

    def _ask(self, query: str) -> bool:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query.encode()).fetchone()
        return bool(row and row[0])


def live(directory: Path, url: str, *, python: str) -> None:
    """Migrate the empty database at `url` and fill it, with the code of the interpreter's checkout."""
    _shift_clock(url, LONG_AGO)
    with Cluster(directory, "{}", url, python=python) as cluster:
        # Long ago too: the first partition reaches up to the week of the migration.
        _command(cluster, "migrate")
        with psycopg.connect(url) as connection:
            [(schema,)] = connection.execute("SELECT version_num FROM syncline.alembic_version")
        life = Life(url=url, cluster=cluster, schema=schema)
        _long_ago(life)
        _shift_clock(url, "0")
        _today(life)


def _long_ago(life: Life) -> None:
    """What retention removes later, and schedules whose fire times nobody looks at for months."""
    write_catalogue(life.directory, schema=life.schema, troubled=True)
    api, worker = life.cluster.api(), life.cluster.worker()
    for _ in range(2):
        life.run(api, "load", "quick")
    for _ in range(3):
        life.run(api, "load", "broken", status="FAILED")
    life.run(api, "shop", "orders")
    life.wait("the schedules are known", "SELECT count(*) = 3 FROM syncline.schedules WHERE active")
    life.wait("the statistics have everything", _PROJECTED)
    _stop(worker, api.process)


def _today(life: Life) -> None:
    write_catalogue(life.directory, schema=life.schema, troubled=True, overlapping=True, days=RETENTION_DAYS)
    api, worker = life.cluster.api(), life.cluster.worker()
    life.wait("what is old was retired", _RETIRED)
    _use_tokens(life, api)
    _end_in_every_way(life, api)
    life.wait("fire times were started, skipped and missed", _FIRED)
    worker = _hand_back(life, api, worker)
    _rescue(life, api, worker)
    _leave_active(life, api)


def _use_tokens(life: Life, api: Api) -> None:
    used, revoked = (
        _command(life.cluster, "token", "create", "--scope", scope, "--name", name).split()[0]
        for scope, name in (("run", "nightly jobs"), ("read", "a dashboard"))
    )
    wait_until("the token is known", lambda: api.call("GET", "/sources", token=used).is_success)
    _command(life.cluster, "token", "revoke", revoked)


def _end_in_every_way(life: Life, api: Api) -> None:
    life.run(api, "load", "quick")
    life.run(api, "load", "flaky", status="FAILED")
    life.run(api, "mill", "records")
    interval = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T00:01:00Z"}
    answer = api.call("POST", "/sources/backfill", body={"source": "mill", "collection": "records"} | interval)
    life.ends(api, answer.json()["task_id"], "SUCCESS")
    life.run(api, "shop", "orders")
    add_orders(life.directory, "2.csv", "id,total,note", "3,1.00,new")
    life.run(api, "shop", "orders")
    assert api.call("POST", "/sources/clear_cache", body={"source": "shop", "collection": "orders"}).is_success
    life.run(api, "shop", "orders")
    if life.schema >= RENEWED_CONFIGS:
        life.run(api, "crm", "people")
    if life.schema >= POOLS:
        abroad = life.cluster.start("worker", "--pool", POOL)
        life.run(api, "abroad", "records")
        _stop(abroad)
    if life.schema >= RUN_AGAIN:
        _run_again(life, api)
    canceled = life.runs(api, "load", "long")
    wait_until("there is progress", lambda: "ProgressReported" in _events(life, canceled), seconds=_SECONDS)
    assert api.call("POST", f"/tasks/{canceled}/cancel").is_success
    life.ends(api, canceled, "CANCELED")


def _run_again(life: Life, api: Api) -> None:
    first = life.runs(api, "load", "steady")
    answer = api.call("POST", "/tasks", source="load", collection="steady", again="true")
    assert answer.json()["task_id"] == first
    life.ends(api, first, "SUCCESS")
    second = api.run("load", "steady")
    assert second != first
    life.ends(api, second, "SUCCESS")


def _hand_back(life: Life, api: Api, worker: Process) -> Process:
    """A worker that drains gives its task back; it is canceled in the queue, as is one that was never started."""
    tasks = [life.runs(api, "load", "long")]
    _stop(worker)
    life.ends(api, tasks[0], "SCHEDULED")
    tasks.append(api.run("load", "quick"))
    for task in tasks:
        assert api.call("POST", f"/tasks/{task}/cancel").is_success
        life.ends(api, task, "CANCELED")
    return life.cluster.worker()


def _rescue(life: Life, api: Api, worker: Process) -> None:
    task = life.runs(api, "load", "steady")
    worker.kill()
    rescuer = life.cluster.worker()
    life.ends(api, task, "SUCCESS")
    assert api.task(task)["attempt"] == 2
    life.wait("the statistics have everything", _PROJECTED)
    _stop(rescuer)


def _leave_active(life: Life, api: Api) -> None:
    """A running task whose worker is gone, and a queued one."""
    # Without the schedule that would start more tasks.
    write_catalogue(life.directory, schema=life.schema, troubled=True, days=RETENTION_DAYS)
    worker = life.cluster.worker()
    life.wait("the other tasks have ended", _QUIET)
    life.runs(api, "load", "long")
    worker.kill()
    api.run("load", "quick")
    if life.schema >= POOLS:
        api.run("abroad", "records")
    life.wait("the lease has expired", _EXPIRED)
    _stop(api.process)


def _shift_clock(url: str, offset: str) -> None:
    """The database's clock is that far ahead for processes that start from now on."""
    setting = sql.SQL("SET syncline.clock_offset = {}").format(sql.Literal(offset))
    with psycopg.connect(url, autocommit=True) as connection:
        database = sql.Identifier(database_name(url))
        connection.execute(sql.SQL("ALTER DATABASE {} ").format(database) + setting)


def _events(life: Life, task: str) -> list[str]:
    with psycopg.connect(life.url) as connection:
        rows = connection.execute(
            "SELECT type FROM syncline.events WHERE task::text = right(%s, 36)", (task,)
        ).fetchall()
    return [row[0] for row in rows]


def _command(cluster: Cluster, *arguments: str) -> str:
    process = cluster.start(*arguments)
    assert process.wait() == 0, process.text
    return process.text


def _stop(*processes: Process) -> None:
    for process in processes:
        code = process.stop()
        assert code == 0, f"{process.output.name} ended with {code}"
