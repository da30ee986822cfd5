"""What sources there are, trying a source."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.api.http.connector_calls import MOST_AT_ONCE
from app.config.reader import load_catalogue
from app.domain.attempt_protocol import Offered
from app.domain.errors import SynclineError
from app.execution.source_check import check_source, discover_source
from tests.harness import PATIENCE_SECONDS
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.integration.api.serving import OpenedApi

WITH_SECRETS = f"""
server: {{admin_token: {TOKEN}}}
sources:
  shop:
    type: rest
    destinations: [nowhere]
    config:
      client: {{base_url: "https://x.test/?token=hidden-one", headers: {{X-Api-Key: hidden-two}}}}
      resources: [{{name: orders, endpoint: orders}}]
destinations:
  nowhere: {{type: none}}
"""
WHOLE = '{"source": "%s", "collection": "%s", "from": "2024-01-01T00:00:00Z", "to": "2024-02-01T00:00:00Z"}'
FIRE_TIME = datetime(2031, 1, 1, tzinfo=UTC)
# No name of a key says that the phrase is secret: it comes from a file.
TELLING_TAP = """
import json, sys
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
sys.exit("the phrase is " + config["phrase"])
"""
TELLING = """
server: {{admin_token: {token}}}
sources:
  telling:
    type: singer
    config: {{command: {command}, config: {{phrase: "${{file.{file}}}"}}}}
    destinations: [nowhere]
    collections: [any]
destinations:
  nowhere: {{type: none}}
"""


async def test_settings_come_only_if_they_are_asked_for_and_without_secrets(
    client: httpx.AsyncClient, api: OpenedApi
) -> None:
    plain = (await client.get("/api/v1/sources")).json()
    assert "destinations" not in plain
    document = (await client.get("/api/v1/sources", params={"settings": "true"})).json()
    (load, *_) = document["sources"]
    quick, slow = load["collections"]
    assert (load["pool"], load["digests"]) == ("default", {})
    assert quick["settings"] == {
        "schedule": "@daily", "max_attempts": 5, "type": "quick", "table_name": "load_quick",
    }  # fmt: skip
    assert "schedule" not in slow["settings"]
    assert quick["covers"] == {"reads": "quick", "writes": "load_quick", "query": "", "key": []}
    assert document["destinations"] == [{"id": "nowhere", "type": "none", "naming": "as_is", "digests": {}}]
    for each in document["sources"]:
        for key in ("pool", "digests"):
            del each[key]
        for collection in each["collections"]:
            for key in ("settings", "digests", "covers"):
                del collection[key]
    del document["destinations"]
    assert document == plain
    api.surroundings.catalogue = load_catalogue(WITH_SECRETS, {})
    shown = await client.get("/api/v1/sources", params={"settings": "true"})
    assert "config.client.headers" in shown.json()["sources"][0]["digests"]
    assert "hidden" not in shown.text
    refused = await client.get("/api/v1/sources", params={"settings": "perhaps"})
    assert (refused.status_code, refused.json()["error"]) == (400, "'settings' must be true or false")


async def test_sources_tell_how_each_collection_fares(client: httpx.AsyncClient, api: OpenedApi) -> None:
    posted = await client.post("/api/v1/tasks", params={"source": "load", "collection": "quick"})
    await api.pool.execute(
        "UPDATE syncline.collections SET status = 'FAILED', consecutive_failures = 2, last_failure_at = $1",
        datetime(2021, 3, 10, tzinfo=UTC),
    )
    await api.pool.execute(
        "INSERT INTO syncline.schedules (source, collection, source_type, max_attempts, expression, timezone, misfire,"
        " next_fire_at, active, updated_at)"
        " VALUES ('load', 'quick', 'synthetic', 3, '@daily', 'UTC', 'latest', $1, true, $1)",
        FIRE_TIME,
    )
    document = (await client.get("/api/v1/sources")).json()
    load = document["sources"][0]
    assert (load["id"], load["type"], load["destinations"]) == ("load", "synthetic", ["nowhere"])
    assert load["collections"] == [
        {
            "name": "quick",
            "schedule": "@daily",
            "timezone": "UTC",
            "next_fire_at": "2031-01-01T00:00:00.000000Z",
            "last_task_id": posted.json()["task_id"],
            "last_status": "FAILED",
            "last_failure_at": "2021-03-10T00:00:00.000000Z",
            "consecutive_failures": 2,
        },
        {"name": "slow", "consecutive_failures": 0},
    ]
    assert [source["id"] for source in document["sources"]] == ["load", "a", "a_b"]


async def test_sources_tell_whose_they_are_and_what_to_do(client: httpx.AsyncClient, api: OpenedApi) -> None:
    about = {"owner": "data team", "labels": ["gold"], "runbook": "https://wiki.example.com/x"}
    own = {"name": "quick", "labels": ["pii"], "description": "what was sold"}
    source = {"type": "synthetic", "destinations": ["nowhere"], "collections": [own], **about}
    document = {"sources": {"load": source}, "destinations": {"nowhere": {"type": "none"}}}
    api.surroundings.catalogue = load_catalogue(json.dumps(document | {"server": {"admin_token": TOKEN}}), {})
    [load] = (await client.get("/api/v1/sources")).json()["sources"]
    assert {key: load.get(key) for key in (*about, "description")} == {**about, "description": None}
    [quick] = load["collections"]
    assert {key: quick[key] for key in (*about, "description")} == {
        **about,
        "labels": ["gold", "pii"],
        "description": "what was sold",
    }


async def test_sources_tell_the_columns_of_the_tables_that_were_loaded(
    client: httpx.AsyncClient, api: OpenedApi
) -> None:
    columns = [
        [{"field": "id", "field_type": "integer"}],
        [
            {"field": "id", "field_type": "integer", "column": "id", "column_type": "BIGINT"},
            {"field": "Total", "field_type": "decimal(18,2)", "inferred": True},
        ],
    ]
    for destination, revision in (("nowhere", 1), ("nowhere", 2), ("elsewhere", 1)):
        await api.pool.execute(
            "INSERT INTO syncline.table_schemas VALUES"
            " ('load', 'quick', $1, 'quick', $2, $3, '[]', syncline.uuid7(now()), 1, now())",
            destination,
            revision,
            columns[revision - 1],
        )
    load = (await client.get("/api/v1/sources")).json()["sources"][0]
    quick, slow = load["collections"]
    assert quick["tables"] == [
        {
            "destination": "nowhere",
            "table": "quick",
            "columns": [
                {"field": "id", "field_type": "integer", "column": "id", "column_type": "BIGINT"},
                {"field": "Total", "field_type": "decimal(18,2)"},
            ],
        }
    ]
    assert "tables" not in slow


async def test_rejected_sources_are_told_with_their_problems(client: httpx.AsyncClient, api: OpenedApi) -> None:
    document = (await client.get("/api/v1/sources")).json()
    assert [one["id"] for one in document["rejected"]] == ["broken"]
    [problem] = document["rejected"][0]["problems"]
    assert problem["path"] == "sources.broken.destinations[0]"
    assert "unknown destination 'missing'" in problem["message"]
    assert "config_problem" not in document
    api.surroundings.config_problem = "the file is no YAML; the previous version stays in use"
    document = (await client.get("/api/v1/sources")).json()
    assert document["config_problem"] == "the file is no YAML; the previous version stays in use"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[]", (400, "Failed to parse body")),
        ("{", (400, "Failed to parse body")),
        ("[" * 5000, (400, "Failed to parse body")),
        ('{"source": "\\ud800"}', (400, "Failed to parse body")),
        ("{}", (400, "'source' is required field")),
        ('{"source": ""}', (400, "'source' is required field")),
        ('{"source": 1}', (400, "Error parsing 'source' field")),
        ('{"source": false}', (400, "Error parsing 'source' field")),
        ('{"source": "\\u0000"}', (400, "Error parsing 'source' field")),
        (WHOLE % ("x", "y"), (404, "Error getting source")),
        (WHOLE % ("broken", "any"), (404, "Error getting source")),
    ],
)
@pytest.mark.parametrize("action", ["clear_cache", "test", "discover", "backfill"])
async def test_a_wrong_body_is_refused(
    client: httpx.AsyncClient, api: OpenedApi, action: str, body: str, expected: tuple[int, str]
) -> None:
    answer = await client.post(f"/api/v1/sources/{action}", content=body)
    assert (answer.status_code, answer.json()["message"]) == expected
    assert api.surroundings.tried == []


@pytest.mark.parametrize("action", ["test", "discover", "backfill"])
async def test_no_body_is_refused(client: httpx.AsyncClient, action: str) -> None:
    answer = await client.post(f"/api/v1/sources/{action}")
    assert (answer.status_code, answer.json()["message"]) == (400, "Failed to parse body")


@pytest.mark.parametrize("action", ["clear_cache", "test", "backfill"])
async def test_a_collection_that_is_not_there_is_refused(client: httpx.AsyncClient, action: str) -> None:
    answer = await client.post(f"/api/v1/sources/{action}", content=WHOLE % ("load", "y"))
    assert (answer.status_code, answer.json()["message"]) == (404, "Error getting collection")


async def test_trying_a_source_says_what_the_connector_says(client: httpx.AsyncClient, api: OpenedApi) -> None:
    for body in ({"source": "load"}, {"source": "load", "collection": "slow"}):
        answer = await client.post("/api/v1/sources/test", json=body)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert api.surroundings.tried == [("load", None), ("load", "slow")]
    api.surroundings.source_test_error = SynclineError("password authentication failed")
    answer = await client.post("/api/v1/sources/test", json={"source": "load"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "Source failed", "error": "password authentication failed"},
    )


@pytest.mark.parametrize("action", ["test", "discover"])
async def test_a_client_does_not_hear_a_secret_that_the_connector_tells(
    client: httpx.AsyncClient, api: OpenedApi, tmp_path: Path, action: str
) -> None:
    (tmp_path / "phrase").write_text("open sesame")
    command = json.dumps([sys.executable, "-c", TELLING_TAP])
    catalogue = load_catalogue(TELLING.format(command=command, token=TOKEN, file=tmp_path / "phrase"), {})
    api.surroundings.catalogue = catalogue

    async def source_test(source: str, collection: str | None) -> None:
        now = datetime.now(UTC)
        if action == "test":
            await check_source(catalogue, source, collection, data_dir=tmp_path, now=now)
        else:
            await discover_source(catalogue, source, data_dir=tmp_path, now=now)

    api.surroundings.source_test = source_test
    answer = await client.post(f"/api/v1/sources/{action}", json={"source": "telling"})
    assert answer.status_code == 400
    assert "the phrase is ***" in answer.json()["error"]
    assert "sesame" not in answer.text


async def test_only_a_few_sources_are_tried_at_once(client: httpx.AsyncClient, api: OpenedApi) -> None:
    begun, goes_on = asyncio.Semaphore(0), asyncio.Event()

    async def source_test(_source: str, _collection: str | None) -> None:
        begun.release()
        await goes_on.wait()

    async def post() -> httpx.Response:
        return await client.post("/api/v1/sources/test", json={"source": "load"})

    api.surroundings.source_test = source_test
    posts = [asyncio.create_task(post()) for _ in range(MOST_AT_ONCE)]
    for _ in posts:
        await begun.acquire()
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await post()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    assert answer.json() == {
        "message": "Too many connector calls at once",
        "error": "4 connector calls are already running; try again later",
    }
    goes_on.set()
    assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200] * MOST_AT_ONCE
    assert (await post()).status_code == 200


async def test_a_source_tells_what_it_offers(client: httpx.AsyncClient, api: OpenedApi) -> None:
    users = Offered("users", {"id": "integer", "at": "timestamp"}, ["id"], ["at"], ["full_refresh", "incremental"])
    api.surroundings.offered = [users, Offered("notes", {"body": "unknown"})]
    answer = await client.post("/api/v1/sources/discover", json={"source": "load"})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "source": "load",
            "collections": [
                {
                    "name": "users",
                    "columns": [{"name": "id", "type": "integer"}, {"name": "at", "type": "timestamp"}],
                    "primary_key": ["id"],
                    "cursor_fields": ["at"],
                    "sync_modes": ["full_refresh", "incremental"],
                },
                {
                    "name": "notes",
                    "columns": [{"name": "body", "type": "unknown"}],
                    "primary_key": [],
                    "cursor_fields": [],
                    "sync_modes": ["full_refresh"],
                },
            ],
        },
    )
    api.surroundings.source_test_error = SynclineError("no such host")
    answer = await client.post("/api/v1/sources/discover", json={"source": "load"})
    assert (answer.status_code, answer.json()["error"]) == (400, "no such host")


BACKFILL = {"source": "load", "collection": "quick", "from": "2024-01-01T00:00:00Z", "to": "2024-02-01T00:00:00Z"}


async def test_a_backfill_is_a_task_that_is_asked_for_once(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/api/v1/sources/backfill", json=BACKFILL) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    task = (await client.get(answers[0].headers["Location"])).json()
    assert (task["trigger"], task["status"], task["max_attempts"]) == ("backfill", "SCHEDULED", 5)
    assert task["backfill"] == "2024-01-01T00:00:00Z/2024-02-01T00:00:00Z"
    assert task["priority"] // 10**12 == 99, "whatever else is asked for goes first"
    other = await client.post("/api/v1/sources/backfill", json=BACKFILL | {"to": "2024-03-01T00:00:00Z"})
    assert (other.status_code, other.json()) == (
        409,
        {"message": "Collection is busy", "error": f"Task [{task['id']}] is active: try again when it has ended"},
    )


async def test_a_backfill_beside_a_sync_is_refused(client: httpx.AsyncClient) -> None:
    task = (await client.post("/api/v1/tasks", params={"source": "load", "collection": "quick"})).json()["task_id"]
    answer = await client.post("/api/v1/sources/backfill", json=BACKFILL)
    assert (answer.status_code, answer.json()["message"]) == (409, "Collection is busy")
    assert task in answer.json()["error"]


async def test_a_backfill_without_any_time_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/sources/backfill", json=BACKFILL | {"to": BACKFILL["from"]})
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "the end (2024-01-01T00:00:00Z) must be after the start (2024-01-01T00:00:00Z)",
    )
