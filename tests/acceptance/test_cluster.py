"""Two API replicas, three workers, one configuration; one worker is killed in the middle of a sync."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import duckdb
import psycopg
import pytest

from app.domain import events
from app.projections import PROJECTIONS
from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.history.reading import read_history
from tests.history.record import Copied
from tests.history.rules import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.cluster import Api
    from tests.history.record import History

TAP = Path(__file__).with_name("tap.py")
RECORDS = 5000
LEASE_SECONDS = 3


def config(database_url: str, directory: Path) -> str:
    def tap(stream: str, seconds: float) -> dict[str, object]:
        return {
            "type": "singer",
            "destinations": ["warehouse", "file"],
            "config": {
                "command": [sys.executable, str(TAP)],
                "config": {"stream": stream, "records": RECORDS, "seconds": seconds},
            },
            "collections": [{"name": stream, "sync_mode": "incremental", "cursor_field": "id"}],
        }

    ticks = {"name": "ticks", "schedule": "@every 1s", "parameters": {"log_lines": 3}}
    overlap = {"name": "overlap", "schedule": "@every 1s", "parameters": {"seconds": 2.5}}
    text = {
        "server": {
            "admin_token": TOKEN,
            "drain_seconds": 1,
            "sync_tasks": {"pool": {"size": 4}, "stalled": {"last_heartbeat_threshold_seconds": LEASE_SECONDS}},
        },
        "sources": {
            "shop": tap("orders", 6),
            "slow": tap("events", 600),
            "load": {
                "type": "synthetic",
                "destinations": ["nowhere"],
                "collections": [
                    ticks,
                    overlap,
                    {"name": "flaky", "parameters": {"fail_rate": 1}, "max_attempts": 1},
                    {"name": "long", "parameters": {"seconds": 600}},
                ],
            },
        },
        "destinations": {
            "warehouse": {"type": "postgres", "url": database_url, "schema": "warehouse"},
            "file": {"type": "duckdb", "path": str(directory / "warehouse.duckdb")},
            "nowhere": {"type": "none"},
        },
    }
    return json.dumps(text)


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    with Cluster(tmp_path, config(database_url, tmp_path), database_url) as running:
        yield running


@pytest.mark.long
def test_a_killed_worker_loses_nothing_and_every_invariant_holds(cluster: Cluster, database_url: str) -> None:
    workers = [cluster.worker() for _ in range(3)]
    first, second = cluster.api(), cluster.api()

    canceled = one_task_for_many_calls(first, second)
    failed = second.run("load", "flaky")
    orders = first.run("shop", "orders")

    victim = wait_until("a worker runs the orders", lambda: worker_of(database_url, orders))

    def some_rows_are_read() -> bool:
        no_transaction_is_open_while_an_attempt_copies(database_url)
        return any("1000 of" in line["message"] for line in second.log(orders))

    wait_until("some rows are read", some_rows_are_read)
    next(worker for worker in workers if worker.pid == victim).kill()

    assert first.call("POST", f"/tasks/{canceled}/cancel").status_code == 200
    assert second.ended(canceled)["status"] == "CANCELED"
    assert second.ended(failed)["status"] == "FAILED"
    assert first.ended(orders)["status"] == "SUCCESS"
    assert second.task(orders)["attempt"] == 2
    bookmarks_reach_the_last_row(database_url, "shop")

    handed_back = first.run("slow", "events")
    wait_until("the slow sync runs", lambda: worker_of(database_url, handed_back))
    survivors = [worker for worker in workers if worker.pid != victim]
    assert [worker.stop() for worker in survivors] == [0, 0]
    assert first.task(handed_back)["status"] == "SCHEDULED"
    first.call("POST", f"/tasks/{handed_back}/cancel")
    assert [api.process.stop() for api in (first, second)] == [0, 0]

    projections_equal_their_events(cluster)
    history = read_history(
        database_url,
        posted=[UUID(task[-36:]) for task in (canceled, failed, orders, handed_back)],
        logged={("load", "ticks"): 3},
        copied=copied(database_url, cluster.directory, "shop", "orders"),
        may_fail=frozenset({("load", "flaky")}),
    )
    assert check(history) == []
    schedules_have_fired(history)
    assert types(history, orders).count(events.ATTEMPT_RESCUED) == 1
    assert types(history, handed_back)[-2:] == [events.ATTEMPT_HANDED_BACK, events.TASK_CANCELED]


def one_task_for_many_calls(first: Api, second: Api) -> str:
    """200 calls at once over both replicas: one 201, 199 × 200, one id."""

    def call(number: int) -> tuple[int, str]:
        answer = (first, second)[number % 2].call("POST", "/tasks", source="load", collection="long")
        return answer.status_code, answer.json()["task_id"]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(call, range(200)))
    assert sorted(status for status, _ in answers) == [200] * 199 + [201]
    (task_id,) = {task for _, task in answers}
    return task_id


def worker_of(database_url: str, task_id: str) -> int | None:
    """The process that runs a task."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT w.pid FROM syncline.collections q JOIN syncline.workers w USING (worker) WHERE q.task = %s",
            [task_id[-36:]],
        ).fetchone()
    return int(row[0]) if row else None


def no_transaction_is_open_while_an_attempt_copies(database_url: str) -> None:
    """Invariant 8: the store's connections are idle, or busy for a moment."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT max(clock_timestamp() - xact_start) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'syncline worker%'"
        ).fetchone()
    assert row is not None
    assert row[0] is None or row[0] < timedelta(seconds=2)


def bookmarks_reach_the_last_row(database_url: str, source: str) -> None:
    with psycopg.connect(database_url) as connection:
        saved = connection.execute(
            "SELECT bookmark #>> '{bookmarks,orders,id}' FROM syncline.bookmarks WHERE source = %s", [source]
        ).fetchall()
    assert saved == [(str(RECORDS),)] * 2


def copied(database_url: str, directory: Path, source: str, collection: str) -> list[Copied]:
    """What both destinations have of a sync that has ended."""
    ids = f"SELECT id FROM {{}}{source}_{collection}"
    with psycopg.connect(database_url) as connection:
        warehouse = connection.execute(ids.format("warehouse.").encode()).fetchall()
    with duckdb.connect(str(directory / "warehouse.duckdb"), read_only=True) as connection:
        file = connection.execute(ids.format("")).fetchall()
    wanted = frozenset(range(1, RECORDS + 1))
    return [
        Copied(source, collection, name, wanted, Counter(id_ for (id_,) in found), RECORDS, complete=True)
        for name, found in (("warehouse", warehouse), ("file", file))
    ]


def schedules_have_fired(history: History) -> None:
    """Often enough for the checker to have had something to judge."""
    for collection in ("ticks", "overlap"):
        assert sum(row.collection == collection for row in history.fire_times) > 5
    assert {"started", "skipped"} <= {row.outcome for row in history.fire_times if row.collection == "overlap"}


def types(history: History, task_id: str) -> list[str]:
    return [event.type for event in history.streams[UUID(task_id[-36:])]]


def projections_equal_their_events(cluster: Cluster) -> None:
    """Invariant 6, as an operator would look."""
    for arguments in (
        ["projections", "verify"],
        *(["projections", "rebuild", name] for name in PROJECTIONS),
        ["projections", "verify"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=cluster.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
