"""What a catalogue says ends no process, and processes whose catalogues differ fail nobody's task."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from tests.acceptance.cluster import NO_TLS, TOKEN, Cluster, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.cluster import Api, Process

# Each line is shallow; the last one is not, for it stands for all before.
CHAIN = "destinations:\n  a0: &a0 [1]\n" + "".join(f"  a{n}: &a{n} [[[[*a{n - 1}]]]]\n" for n in range(1, 300))
BROKEN = {
    'sources: "http://[x"\n': ".yaml:1: sources: is not a valid URL",
    'server: {}\nsources: "http://me:hunter22@warehouse[eu].example"\n': ".yaml:2: sources: is not a valid URL",
    CHAIN: "is nested deeper than 64 levels",
}


# The shortest that is valid.
PATIENCE = {"unknown_source_patience": "10s"}


def text(*sources: str, schedule: str = "none", **more: Any) -> str:
    made: dict[str, Any] = {
        source: {
            "type": "synthetic",
            "destinations": ["nowhere"],
            "max_attempts": 1,
            "schedule": schedule,
            "collections": ["a", "b", "c"],
        }
        for source in sources
    }
    server = {"admin_token": TOKEN, "drain_seconds": 1, "sources_reload_sec": 0.1} | more
    return json.dumps({"server": server, "sources": made, "destinations": {"nowhere": {"type": "none"}}})


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    with Cluster(tmp_path, text("old"), database_url) as running:
        yield running


def problem(api: Api) -> str:
    token = {"X-Admin-Token": TOKEN}
    document = httpx.get(f"{api.address}/readyz", headers=token, trust_env=False, verify=NO_TLS).json()
    assert document["status"] == "ready"
    return str(document.get("config_problem", ""))


def tells(api: Api, worker: Process, why: str) -> bool:
    refused = [line for line in worker.text.splitlines() if "catalogue.refused" in line]
    return why in problem(api) and any(why in line for line in refused)


def test_no_version_of_the_catalogue_ends_a_running_process(cluster: Cluster) -> None:
    api, worker = cluster.api(), cluster.worker()
    assert api.ended(api.run("old", "a"))["status"] == "SUCCESS"
    for broken, why in BROKEN.items():
        cluster.config.write_text(broken)
        wait_until(f"both tell: {why}", partial(tells, api, worker, why))
        assert api.ended(api.run("old", "b"))["status"] == "SUCCESS"
    cluster.config.write_text(text("old", "new"))
    wait_until("it is mended", lambda: not problem(api))
    assert api.ended(api.run("new", "a"))["status"] == "SUCCESS"
    assert (api.process.stop(), worker.stop()) == (0, 0)
    assert "hunter22" not in api.process.text + worker.text


@pytest.mark.parametrize("broken", BROKEN)
def test_a_start_with_it_is_one_error_and_exit_code_2(cluster: Cluster, broken: str) -> None:
    cluster.config.write_text(broken)
    processes = [cluster.start(command) for command in ("api", "worker", "dev", "check")]
    assert [process.wait() for process in processes] == [2, 2, 2, 2]
    for process in processes:
        assert process.text.count(BROKEN[broken]) == 1
        assert "Traceback" not in process.text
        assert "hunter22" not in process.text


def test_the_worker_with_the_newer_catalogue_carries_out_what_the_older_one_does_not_know(
    cluster: Cluster, database_url: str
) -> None:
    newer = cluster.directory / "newer.yaml"
    newer.write_text(text("old", "new"))
    environment = {"SYNCLINE_CONFIG": str(newer)}
    older, api = cluster.worker(), cluster.api(environment=environment)
    tasks = [api.run("new", collection) for collection in "abc"]
    wait_until("the older one has handed all back", lambda: older.text.count("collection.not_found") >= len(tasks))
    cluster.start("worker", environment=environment)
    assert [api.ended(task)["status"] for task in tasks] == ["SUCCESS"] * 3
    with psycopg.connect(database_url) as connection:
        [failures] = connection.execute("SELECT sum(failures) FROM syncline.all_tasks").fetchone() or [None]
    assert failures == 0


@pytest.mark.long
def test_a_schedule_that_older_catalogues_miss_loses_no_fire_time_and_ends_when_all_do(
    cluster: Cluster, database_url: str
) -> None:
    both, rest = (text(*sources, schedule="@every 1s", **PATIENCE) for sources in (("old", "new"), ("old",)))
    newer = cluster.directory / "newer.yaml"
    newer.write_text(both)
    cluster.config.write_text(rest)
    with psycopg.connect(database_url, autocommit=True) as connection:
        older, newest = cluster.worker(), cluster.start("worker", environment={"SYNCLINE_CONFIG": str(newer)})
        # Each finds that the other has written what it does not know, for twice as long as a schedule may be missing.
        wait_until("one keeps marking them", lambda: older.text.count('"missing": 3') > 3)
        wait_until("the other keeps finding them", lambda: newest.text.count('"found": 3') > 3)
        assert _count(connection, "syncline.schedules WHERE source = 'new' AND active") == 3
        newer.write_text(rest)
        wait_until(
            "they end",
            lambda: _count(connection, "syncline.schedules WHERE source = 'new' AND active") == 0,
        )
        assert _count(connection, "syncline.schedules WHERE active") == 3
        holes = (
            "(SELECT fire_time - lag(fire_time) OVER (PARTITION BY source, collection ORDER BY fire_time) AS step"
            " FROM syncline.fire_times) AS f WHERE step <> interval '1 s'"
        )
        assert _count(connection, holes) == 0
        assert _count(connection, "syncline.fire_times WHERE source = 'new' AND outcome = 'started'") > 3


def _count(connection: psycopg.Connection[Any], what: str) -> int:
    [count] = connection.execute(f"SELECT count(*) FROM {what}".encode()).fetchone() or [0]
    return int(count)
