"""A store that was restored into a server with lower transaction ids serves nobody, and says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from tests.acceptance.cluster import NO_TLS, TOKEN, Api, Cluster, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = {
    "server": {"admin_token": TOKEN, "drain_seconds": 1},
    "sources": {"s": {"type": "synthetic", "destinations": ["nowhere"], "collections": ["before", "after"]}},
    "destinations": {"nowhere": {"type": "none"}},
}
WHY = "restored into a server with lower transaction IDs"
GAP = 300


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    with Cluster(tmp_path, json.dumps(CONFIG), database_url) as running:
        yield running


def restore_from_older_server(url: str) -> None:
    """As if the newest event came from a server that was ahead, under open connections."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO syncline.events (task, version, type, at, status, attempt, xid)"
            " SELECT task, version + 1, 'LogRetired', at, status, attempt,"
            f" (pg_current_xact_id()::text::numeric + {GAP})::text::xid8"
            " FROM syncline.events ORDER BY version DESC LIMIT 1"
        )


def outgrow(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(GAP + 1):
            connection.execute("SELECT pg_current_xact_id()")


def is_refused(api: Api) -> bool:
    ready = httpx.get(f"{api.address}/readyz", trust_env=False, verify=NO_TLS)
    asked = api.call("POST", "/tasks", source="s", collection="after")
    if (ready.status_code, asked.status_code) != (503, 503):
        return False
    assert ready.json()["database"] == "moved"
    assert WHY in ready.json()["error"]
    assert WHY in asked.json()["error"]
    return True


def test_a_moved_store_is_found_while_running_and_at_the_start(cluster: Cluster, database_url: str) -> None:
    bounds = {"app.store.transaction_ids._SECONDS": 0.1}
    api, worker = cluster.api(bounds=bounds), cluster.start("worker", bounds=bounds)
    assert api.ended(api.run("s", "before"))["status"] == "SUCCESS"
    restore_from_older_server(database_url)
    wait_until("nobody is served", lambda: is_refused(api))
    wait_until("the worker says so", lambda: WHY in worker.text)

    starting = [cluster.start(command) for command in ("api", "worker")]
    assert [process.wait() for process in starting] == [2, 2]
    for process in starting:
        assert process.text.count(WHY) == 1
        assert "Traceback" not in process.text
    assert cluster.start("token", "list").wait() == 0, "what repairs a store still works"

    outgrow(database_url)
    wait_until("all are served again", api.is_ready)
    assert api.ended(api.run("s", "after"))["status"] == "SUCCESS"
