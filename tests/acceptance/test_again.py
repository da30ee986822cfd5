"""Requests during runs of worker processes, of which one is killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.history.reading import read_history
from tests.history.rules import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.cluster import Api

LEASE_SECONDS = 3
CONFIG = json.dumps(
    {
        "server": {
            "admin_token": TOKEN,
            "drain_seconds": 1,
            "sync_tasks": {"stalled": {"last_heartbeat_threshold_seconds": LEASE_SECONDS}},
        },
        "sources": {
            "load": {
                "type": "synthetic",
                "destinations": ["nowhere"],
                "collections": [
                    {"name": "killed", "parameters": {"seconds": 600}, "max_attempts": 1},
                    {"name": "failing", "parameters": {"seconds": 3, "fail_rate": 1}, "max_attempts": 1},
                    {"name": "short", "parameters": {"seconds": 3}},
                ],
            }
        },
        "destinations": {"nowhere": {"type": "none"}},
    }
)


def test_what_was_asked_for_during_a_run_follows_however_that_ends(tmp_path: Path, database_url: str) -> None:
    with Cluster(tmp_path, CONFIG, database_url) as cluster:
        api, victim = cluster.api(), cluster.worker()
        killed = asked_during_its_run(api, "killed")
        victim.kill()
        cluster.worker()
        asked = {name: asked_during_its_run(api, name) for name in ("failing", "short")}
        assert api.ended(killed)["status"] == "FAILED"
        assert {name: api.ended(task)["status"] for name, task in asked.items()} == {
            "failing": "FAILED",
            "short": "SUCCESS",
        }
        following = {name: next_of(api, name, task) for name, task in {"killed": killed, **asked}.items()}
        running(api, following["killed"])
        assert api.call("POST", f"/tasks/{following['killed']}/cancel").status_code == 200
        assert {name: api.ended(task)["status"] for name, task in following.items()} == {
            "killed": "CANCELED",
            "failing": "FAILED",
            "short": "SUCCESS",
        }
        assert all(len(listed(api, name)) == 2 for name in following)
        assert check(read_history(database_url)) == []


def asked_during_its_run(api: Api, collection: str) -> str:
    """The task that runs, after one more was asked for twice."""
    task = api.run("load", collection)
    running(api, task)
    for _ in range(2):
        answer = api.call("POST", "/tasks", source="load", collection=collection, again="true")
        assert (answer.status_code, answer.json()) == (200, {"task_id": task})
    return task


def running(api: Api, task: str) -> None:
    wait_until(f"{task} runs", lambda: api.task(task)["status"] == "RUNNING")


def next_of(api: Api, collection: str, task: str) -> str:
    """The task after this one, which is there as soon as this one has ended."""
    [following] = [one["id"] for one in listed(api, collection) if one["id"] != task]
    return str(following)


def listed(api: Api, collection: str) -> list[dict[str, Any]]:
    start, end = "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
    answer = api.call("GET", "/tasks", source="load", collection=collection, start=start, end=end)
    tasks: list[dict[str, Any]] = answer.json()["tasks"]
    return tasks
