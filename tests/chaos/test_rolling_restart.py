"""A new release on three replicas with 100 running tasks: none is falsely FAILED, none is lost."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest

from app.domain import events
from app.domain.task import Status
from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.history.reading import read_history
from tests.history.record import Drain
from tests.history.rules import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.cluster import Process

TASKS = 100
WORKERS = 3
LINES = 5


def config() -> str:
    names = [f"long_{number:03}" for number in range(TASKS)]
    text = {
        "server": {
            "admin_token": TOKEN,
            "drain_seconds": 0.5,
            "sync_tasks": {"pool": {"size": 40}, "stalled": {"last_heartbeat_threshold_seconds": 10}},
        },
        "sources": {
            "load": {
                "type": "synthetic",
                "destinations": ["nowhere"],
                "max_attempts": 1,
                "collections": [{"name": name, "parameters": {"seconds": 12, "log_lines": LINES}} for name in names],
            },
        },
        "destinations": {"nowhere": {"type": "none"}},
    }
    return json.dumps(text)


@pytest.mark.long
def test_a_rolling_restart_fails_no_running_task_and_loses_none(tmp_path: Path, database_url: str) -> None:
    with Cluster(tmp_path, config(), database_url) as cluster:
        api = cluster.api()
        with ThreadPoolExecutor(16) as calls:
            tasks = list(calls.map(lambda number: api.run("load", f"long_{number:03}"), range(TASKS)))
        workers = [cluster.worker() for _ in range(WORKERS)]
        wait_until("all tasks run", lambda: running(database_url) == TASKS)

        drains = [restarted(cluster, worker, database_url) for worker in workers]
        wait_until("all tasks have ended", lambda: not running(database_url, "SCHEDULED", "RUNNING"))

        history = read_history(
            database_url,
            posted=[UUID(task[-36:]) for task in tasks],
            logged={("load", f"long_{number:03}"): LINES for number in range(TASKS)},
            drains=drains,
            may_fail=frozenset(),
        )
    assert check(history) == []
    assert {task.status for task in history.tasks.values()} == {Status.SUCCESS}
    assert len(history.tasks) == TASKS
    handed_back = [stored for stored in history.events if stored.event.type == events.ATTEMPT_HANDED_BACK]
    assert len(handed_back) >= TASKS // 2


def restarted(cluster: Cluster, worker: Process, database_url: str) -> Drain:
    """Replace a worker by a new one, as a service manager does: how the old one ended."""
    began = datetime.now(UTC)
    exit_code = worker.stop()
    ended = datetime.now(UTC)
    successor = cluster.worker()
    wait_until("the new worker works", lambda: has_registered(database_url, successor.pid))
    return Drain(worker.pid, began, ended, exit_code)


def running(database_url: str, *statuses: str) -> int:
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM syncline.collections WHERE status = ANY (%s)", [list(statuses or ("RUNNING",))]
        ).fetchone()
    return int(found[0]) if found else 0


def has_registered(database_url: str, pid: int) -> bool:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT FROM syncline.workers WHERE pid = %s", [pid]).fetchone() is not None
