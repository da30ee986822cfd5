"""`GET /statistics/detailed` and `GET /cluster`, in the form of Jitsu Classic."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    import httpx

    from tests.harness import Store
    from tests.integration.api.serving import OpenedApi

DETAILED, CLUSTER = "/api/v1/statistics/detailed", "/api/v1/cluster"
DAY = {"start": "2021-11-28T00:00:00Z", "end": "2021-11-29T00:00:00Z"}
# Tasks that ended when they were created.
ENDED = """
INSERT INTO syncline.tasks (task, source, collection, source_type, trigger, priority, max_attempts, status, attempt,
                            failures, rows, created_at, finished_at, version)
SELECT syncline.uuid7(t.at), t.source, 'c', 't', 'api', 1, 3, t.status, 1, 0, t.rows, t.at, t.at, 3
FROM (VALUES
  (timestamptz '2021-11-28 18:59:59+00', 'shop', 'SUCCESS', 330),
  ('2021-11-28 18:00:00+00', 'shop', 'FAILED', 5),
  ('2021-11-28 18:30:00+00', 'prj.crm', 'SUCCESS', 7),
  ('2021-11-28 20:00:00+00', 'prj.crm', 'CANCELED', 2),
  ('2021-11-28 21:00:00+00', 'shop', 'SUCCESS', 0),
  ('2021-11-29 00:00:00+00', 'shop', 'SUCCESS', 1000)
) AS t (at, source, status, rows)
"""
KNOWN = """
INSERT INTO syncline.collections (source, collection, task, status, source_type, trigger, priority, max_attempts,
                                  run_at, version, attempt, failures, rows, created_at, cancel_requested, claim,
                                  changed_at, xid, consecutive_failures)
SELECT s.source, 'c', syncline.uuid7(now()), 'SUCCESS', 't', 'api', 1, 3,
       now(), 3, 1, 0, 0, now(), false, 1, now(), '3', 0
FROM unnest(ARRAY['shop', 'prj.crm']) AS s (source)
"""
# The last row is one of a generation that is being built.
DAYS = """
INSERT INTO syncline.daily_collection_stats (generation, day, source, collection, success, failed, canceled, rows,
                                             duration_microseconds, queue_wait_microseconds)
SELECT p.generation + t.later, t.day::date, t.source, 'c', 1, t.failed, 0, t.rows, 0, 0
FROM syncline.checkpoints p
CROSS JOIN (VALUES
  ('2021-11-27', 'shop', 0, 1, 0),
  ('2021-11-28', 'shop', 3, 20, 0),
  ('2021-11-28', 'prj.crm', 0, 4, 0),
  ('2021-11-29', 'shop', 0, 6000, 0),
  ('2021-11-28', 'shop', 9, 500, 1)
) AS t (day, source, failed, rows, later)
WHERE p.projection = 'daily_collection_stats' AND p.state = 'live'
"""


async def counted(client: httpx.AsyncClient, **parameters: str) -> Any:
    answer = await client.get(DETAILED, params={**DAY, "granularity": "hour", "type": "pull", **parameters})
    assert (answer.status_code, answer.json().get("status")) == (200, "ok"), answer.text
    return [(each["key"], each["events"]) for each in answer.json()["data"]]


async def test_rows_are_counted_by_the_hour_in_which_tasks_ended(client: httpx.AsyncClient, store: Store) -> None:
    await store.admin.execute(ENDED)
    answer = await client.get(DETAILED, params={**DAY, "granularity": "HOUR", "type": "pull", "namespace": "source"})
    assert answer.json() == {
        "status": "ok",
        "data": [
            {"key": "2021-11-28T18:00:00+0000", "events": 342},
            {"key": "2021-11-28T20:00:00+0000", "events": 2},
        ],
    }
    assert await counted(client, source_id="shop") == [("2021-11-28T18:00:00+0000", 335)]
    assert await counted(client, project_id="prj") == [
        ("2021-11-28T18:00:00+0000", 7),
        ("2021-11-28T20:00:00+0000", 2),
    ]
    # The source is enough, as in Classic.
    assert await counted(client, project_id="prj", source_id="shop") == [("2021-11-28T18:00:00+0000", 335)]
    assert await counted(client, source_id="nobody") == []
    later = {"start": "2021-11-28T20:59:00+00:30", "end": "2021-11-29T00:00:01Z"}
    assert await counted(client, **later) == [("2021-11-28T20:00:00+0000", 2), ("2021-11-29T00:00:00+0000", 1000)]


async def test_errors_are_failed_tasks_and_nothing_is_pushed_or_skipped(
    client: httpx.AsyncClient, store: Store
) -> None:
    await store.admin.execute(ENDED)
    assert await counted(client, status="errors") == [("2021-11-28T18:00:00+0000", 1)]
    assert await counted(client, status="skip") == []
    assert await counted(client, type="push") == await counted(client, type="") == []


async def test_rows_are_counted_by_the_day_from_the_daily_statistics(client: httpx.AsyncClient, store: Store) -> None:
    await store.admin.execute(KNOWN)
    await store.admin.execute(DAYS)
    assert await counted(client, granularity="day") == [("2021-11-28T00:00:00+0000", 24)]
    assert await counted(client, granularity="Day", source_id="shop") == [("2021-11-28T00:00:00+0000", 20)]
    assert await counted(client, granularity="day", project_id="prj") == [("2021-11-28T00:00:00+0000", 4)]
    assert await counted(client, granularity="day", status="errors") == [("2021-11-28T00:00:00+0000", 3)]
    assert len(await counted(client, granularity="day", start="2020-01-01T00:00:00Z", end="2030-01-01T00:00:00Z")) == 3


async def test_rows_of_a_destination_are_those_of_its_sources(
    client: httpx.AsyncClient, store: Store, api: OpenedApi
) -> None:
    await store.admin.execute(ENDED)
    source = {"type": "synthetic", "collections": ["c"]}
    document = {
        "server": {"admin_token": TOKEN},
        "sources": {
            "shop": source | {"destinations": ["one"]},
            "prj.crm": source | {"destinations": ["two", "three"]},
        },
        "destinations": {name: {"type": "none"} for name in ("one", "two", "three", "unused")},
    }
    api.surroundings.catalogue = load_catalogue(json.dumps(document), {})
    assert await counted(client, namespace="destination", destination_id="one") == [("2021-11-28T18:00:00+0000", 335)]
    assert await counted(client, namespace="destination", destination_id="unused") == []
    assert await counted(client, namespace="destination") == await counted(client)
    for destination, status, message, error in (
        (
            "two",
            400,
            "Cannot count the rows of a destination",
            "source 'prj.crm' loads into 'three' as well, and its rows are counted together",
        ),
        ("four", 404, "Error getting destination", "unknown destination 'four'; choose one of one, three, two, unused"),
    ):
        wanted = {**DAY, "granularity": "hour", "type": "pull", "namespace": "destination"}
        answer = await client.get(DETAILED, params=wanted | {"destination_id": destination})
        assert (answer.status_code, answer.json()) == (status, {"message": message, "error": error})


@pytest.mark.parametrize(
    ("parameters", "message", "error"),
    [
        ({"start": ""}, "'start' is required query parameter", None),
        ({"granularity": ""}, "'granularity' is required query parameter", None),
        (
            {"granularity": "total"},
            "Error parsing 'granularity' query parameter",
            "'granularity' must be hour or day",
        ),
        (
            {"namespace": "push_source"},
            "Error parsing 'namespace' query parameter",
            "'namespace' must be one of source, destination",
        ),
        ({"type": "PULL"}, "Error parsing 'type' query parameter", "'type' must be one of push, pull"),
        (
            {"status": "failed"},
            "Error parsing 'status' query parameter",
            "'status' must be one of success, errors, skip",
        ),
        ({"end": "2021-11-27T00:00:00Z"}, "Error parsing 'end' query parameter", "'end' must not be before 'start'"),
        (
            {"end": "2021-12-29T00:00:01Z"},
            "Error parsing 'start' query parameter",
            "'granularity=hour' counts at most 31 days: ask for less, or for 'granularity=day'",
        ),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: httpx.AsyncClient, parameters: dict[str, str], message: str, error: str | None
) -> None:
    answer = await client.get(DETAILED, params={**DAY, "granularity": "hour", **parameters})
    expected = {"message": message} | ({"error": error} if error else {})
    assert (answer.status_code, answer.json()) == (400, expected)


async def test_the_cluster_is_the_api_and_the_machines_with_workers(client: httpx.AsyncClient, store: Store) -> None:
    here = socket.gethostname()
    alone = {"instances": [{"name": here, "roles": ["api"], "workers": 0}]}
    assert (await client.get(CLUSTER)).json() == alone
    await store.worker(lease=timedelta(0))
    assert (await client.get(CLUSTER)).json() == alone, "its lease has ended"
    for host in ("0-first", here, "0-first"):
        await store.leases.register(host=host, pid=1, release="1", slots=8, length=timedelta(days=1))
    assert (await client.get(CLUSTER)).json() == {
        "instances": [
            {"name": "0-first", "roles": ["worker"], "workers": 2},
            {"name": here, "roles": ["api", "worker"], "workers": 1},
        ]
    }
