"""Asking for tasks and reading them."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from pydantic import TypeAdapter

from app.api.documents.tasks import Task
from app.config.reader import load_catalogue
from tests.harness import opened_store, running_worker
from tests.integration.api.serving import CATALOGUE, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.integration.api.serving import OpenedApi

QUICK = {"source": "load", "collection": "quick"}
ALWAYS = {"start": "1970-01-01T00:00:00Z", "end": "9999-12-31T23:59:59.999999Z"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def scheduled(client: httpx.AsyncClient, **names: str) -> str:
    answer = await client.post("/api/v1/tasks", params=QUICK | names)
    assert answer.status_code == 201
    id_: str = answer.json()["task_id"]
    return id_


async def listed(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/tasks", params={"source": "load"} | ALWAYS | filters)
    tasks: list[dict[str, Any]] = answer.json()["tasks"]
    return tasks


async def add_task(database_url: str, **values: Any) -> uuid.UUID:
    """A row of the task list as it would be long after."""
    created_at = values.get("created_at", datetime(2021, 3, 10, 22, 0, tzinfo=UTC))
    row = {
        # A UUIDv7.
        "task": uuid.UUID(int=int(created_at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int >> 66),
        "source": "load",
        "collection": "quick",
        "source_type": "synthetic",
        "trigger": "schedule",
        "priority": 7,
        "max_attempts": 3,
        "status": "SUCCESS",
        "attempt": 1,
        "failures": 0,
        "rows": 0,
        "created_at": created_at,
        "finished_at": created_at,
        "version": 3,
    } | values
    head = row | {
        "run_at": created_at,
        "cancel_requested": False,
        "claim": 0,
        "changed_at": created_at,
        "xid": 1,
        "consecutive_failures": 0,
    }
    del head["finished_at"]
    connection = await asyncpg.connect(database_url)
    try:
        await _insert(connection, "tasks", row)
        await _insert(connection, "collections", head)
    finally:
        await connection.close()
    return uuid.UUID(str(row["task"]))


async def _insert(connection: asyncpg.Connection[asyncpg.Record], table: str, row: dict[str, Any]) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    statement = f"INSERT INTO syncline.{table} ({', '.join(row)}) VALUES ({places}) ON CONFLICT DO NOTHING"
    await connection.execute(statement, *row.values())


async def test_a_new_task_is_201_and_there_at_once(client: httpx.AsyncClient, api: OpenedApi) -> None:
    answer = await client.post("/api/v1/tasks", params=QUICK)
    assert answer.status_code == 201
    assert list(answer.json()) == ["task_id"]
    id_ = answer.json()["task_id"]
    assert uuid.UUID(id_.removeprefix("load_quick_")).version == 7
    assert answer.headers["Location"] == f"/api/v1/tasks/{id_}"
    task = (await client.get(f"/api/v1/tasks/{id_}")).json()
    assert (task["id"], task["status"], task["max_attempts"], task["trigger"]) == (id_, "SCHEDULED", 5, "api")
    created = datetime.fromisoformat(task["created_at"])
    assert abs(task["priority"] - (300 * 10**12 - int(created.timestamp()))) <= 1
    assert api.notifier.told == 1


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/v1/tasks", {}),
        ("/api/v1/sources/backfill", {"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"}),
    ],
)
async def test_a_new_task_is_in_the_pool_of_its_source(
    client: httpx.AsyncClient, api: OpenedApi, path: str, more: dict[str, str]
) -> None:
    api.surroundings.catalogue = load_catalogue(CATALOGUE.replace("  load:\n", "  load:\n    pool: eu\n"), {})
    names = {"params": QUICK} if not more else {"json": QUICK | more}
    assert (await client.post(path, **names)).status_code == 201  # type: ignore[arg-type]
    assert await api.pool.fetchval("SELECT pool FROM syncline.collections") == "eu"


async def test_an_active_task_is_200_with_its_id_and_wakes_nobody(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    for _ in range(3):
        answer = await client.post("/api/v1/tasks", params=QUICK)
        assert (answer.status_code, answer.json()) == (200, {"task_id": id_})
    assert api.notifier.told == 1


async def test_a_request_during_a_run_is_200_with_its_id_and_followed(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    """With a worker at work."""
    config = tmp_path / "config.yaml"
    config.write_text(CATALOGUE.replace("- {name: slow,", "- {name: slow, parameters: {seconds: 600},"))
    slow = QUICK | {"collection": "slow"}
    async with running_worker(database_url, config), opened_store(database_url) as store:
        id_ = await scheduled(client, collection="slow")
        task = uuid.UUID(id_[-36:])
        await store.running(task)
        for again in ("false", "true", "true", ""):
            answer = await client.post("/api/v1/tasks", params=slow | {"again": again})
            assert (answer.status_code, answer.json()) == (200, {"task_id": id_})
        assert (await client.post(f"/api/v1/tasks/{id_}/cancel")).status_code == 200
        assert await store.ended(task) == "CANCELED"
        assert (await store.types(task)).count("RunAgainRequested") == 1
        [following] = [one for one in await listed(client, collection="slow") if one["id"] != id_]
        assert following["trigger"] == "api"
        await store.running(uuid.UUID(following["id"][-36:]))
        assert (await client.post("/api/v1/tasks", params=slow)).json() == {"task_id": following["id"]}
        await client.post(f"/api/v1/tasks/{following['id']}/cancel")
        assert await store.ended(uuid.UUID(following["id"][-36:])) == "CANCELED"
        assert len(await listed(client, collection="slow")) == 2, "nothing was asked for during that one"


async def test_with_again_nothing_changes_while_no_task_has_begun(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client, again="true")
    answer = await client.post("/api/v1/tasks", params=QUICK | {"again": "true"})
    assert (answer.status_code, answer.json()) == (200, {"task_id": id_})
    assert await api.pool.fetchval("SELECT again IS NULL FROM syncline.collections")


@pytest.mark.parametrize(
    ("query", "status", "document"),
    [
        (
            QUICK | {"again": "1"},
            400,
            {"message": "Error parsing 'again' query parameter", "error": "'again' must be true or false"},
        ),
        ({"collection": "quick"}, 400, {"message": "'source' is required query parameter"}),
        ({"source": "load"}, 400, {"message": "'collection' is required query parameter"}),
        ({"source": "", "collection": "quick"}, 400, {"message": "'source' is required query parameter"}),
        (
            {"source": "x", "collection": "y"},
            404,
            {"message": "Error getting source", "error": "Source [x] doesn't exist"},
        ),
        (
            {"source": "load", "collection": "y"},
            404,
            {"message": "Error getting collection", "error": "Collection [y] doesn't exist in source [load]"},
        ),
        (
            {"source": "lo\0ad", "collection": "y"},
            400,
            {
                "message": "Error parsing 'source' query parameter",
                "error": "'source' must be a string without NUL characters",
            },
        ),
    ],
)
async def test_what_cannot_be_scheduled_is_refused(
    client: httpx.AsyncClient, query: dict[str, str], status: int, document: dict[str, str]
) -> None:
    answer = await client.post("/api/v1/tasks", params=query)
    assert (answer.status_code, answer.json()) == (status, document)


async def test_a_rejected_source_says_that_it_is_left_out_and_why(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/tasks", params={"source": "broken", "collection": "any"})
    assert answer.status_code == 404
    assert answer.json()["message"] == "Error getting source"
    assert "Source [broken] is left out: " in answer.json()["error"]
    assert "unknown destination 'missing'" in answer.json()["error"]


async def test_a_task_has_the_fields_of_the_contract_in_their_order(
    client: httpx.AsyncClient, database_url: str
) -> None:
    task = await add_task(
        database_url,
        started_at=datetime(2021, 3, 10, 22, 0, 1, 5, tzinfo=UTC),
        finished_at=datetime(2021, 3, 10, 22, 0, 2, tzinfo=UTC),
        error="no",
    )
    document = (await client.get(f"/api/v1/tasks/load_quick_{task}")).json()
    assert list(document)[:8] == [
        *("id", "source", "collection", "priority", "created_at", "started_at", "finished_at", "status"),
    ]
    assert document["created_at"] == "2021-03-10T22:00:00.000000Z"
    assert document["started_at"] == "2021-03-10T22:00:01.000005Z"
    assert document["error"] == "no"
    TypeAdapter(Task).validate_python(document, strict=False, extra="forbid")


async def test_a_time_that_has_not_come_is_absent(client: httpx.AsyncClient) -> None:
    document = (await client.get(f"/api/v1/tasks/{await scheduled(client)}")).json()
    assert not {"started_at", "finished_at", "error", "fire_time"} & document.keys()
    assert None not in document.values()
    assert TIME.fullmatch(document["created_at"])


async def test_only_the_whole_id_names_a_task(client: httpx.AsyncClient) -> None:
    first = await scheduled(client, source="a", collection="b_c")
    second = await scheduled(client, source="a_b", collection="c")
    assert first[:-36] == second[:-36] == "a_b_c_"
    assert (await client.get(f"/api/v1/tasks/{first}")).json()["source"] == "a"
    assert (await client.get(f"/api/v1/tasks/{second}")).json()["source"] == "a_b"
    for unknown in (first[-36:], f"load_quick_{first[-36:]}", f"a_b_c_{uuid.uuid4()}", first.upper(), "x", "ä%00"):
        answer = await client.get(f"/api/v1/tasks/{unknown}")
        assert answer.status_code == 404
        assert answer.json()["message"] == "Error getting task"
    assert (await client.get("/api/v1/tasks/x")).json()["error"] == "Task [x] doesn't exist"


async def test_a_task_that_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    path = f"/api/v1/tasks/{await scheduled(client)}"
    tag = (await client.get(path)).headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        answer = await client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    await client.post(f"{path}/cancel")
    answer = await client.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELED")


async def test_the_list_is_ascending_filtered_before_the_limit_and_keeps_the_newest(
    client: httpx.AsyncClient, database_url: str
) -> None:
    made: dict[str, uuid.UUID] = {}
    for hour, collection, status in [
        (1, "quick", "SUCCESS"),
        (2, "slow", "FAILED"),
        (3, "quick", "FAILED"),
        (4, "quick", "SUCCESS"),
        (5, "slow", "SUCCESS"),
        (6, "quick", "CANCELED"),
    ]:
        made[f"{collection}{hour}"] = await add_task(
            database_url, collection=collection, status=status, created_at=datetime(2021, 3, 10, hour, tzinfo=UTC)
        )
    names = {f"load_{name[:-1]}_{task}": name for name, task in made.items()}

    async def listed(**query: str) -> list[str]:
        answer = await client.get("/api/v1/tasks", params={"source": "load"} | ALWAYS | query)
        assert answer.status_code == 200
        return [names[task["id"]] for task in answer.json()["tasks"]]

    assert await listed() == ["quick1", "slow2", "quick3", "quick4", "slow5", "quick6"]
    assert await listed(limit="0") == await listed()
    assert await listed(limit="1") == ["slow5", "quick6"]
    assert await listed(limit="2", collection="quick") == ["quick4", "quick6"]
    assert await listed(limit="1", status="success") == ["quick4", "slow5"]
    assert await listed(status="FaIlEd") == ["slow2", "quick3"]
    assert await listed(start="2021-03-10T03:00:00+01:00", end="2021-03-10T04:00:00.000000000Z") == [
        *("slow2", "quick3", "quick4"),
    ]
    assert await listed(start="2022-01-01T00:00:00Z") == []
    assert await listed(collection="unknown") == []
    assert await listed(unknown_parameter="ignored", status="", limit="", collection="") == await listed()


@pytest.mark.parametrize("name", ["start", "end", "limit", "status"])
@pytest.mark.parametrize("value", ["yesterday", "-2", "0000-01-01T00:00:00Z", "\0", "1" * 30])
async def test_a_malformed_parameter_is_named_with_the_form_that_is_accepted(
    client: httpx.AsyncClient, name: str, value: str
) -> None:
    answer = await client.get("/api/v1/tasks", params={"source": "load"} | ALWAYS | {name: value})
    assert answer.status_code == 400
    assert answer.json()["message"] == f"Error parsing '{name}' query parameter"
    assert answer.json()["error"].startswith(f"'{name}' must be ")


async def test_an_end_before_the_start_is_refused(client: httpx.AsyncClient) -> None:
    task = (await client.post("/api/v1/tasks", params={"source": "load", "collection": "quick"})).json()["task_id"]
    moment, earlier = "2021-03-10T00:00:01Z", "2021-03-10T00:00:00Z"
    for path in ("/api/v1/tasks", f"/api/v1/tasks/{task}/logs"):
        same = await client.get(path, params={"source": "load", "start": moment, "end": moment})
        assert same.status_code == 200
        refused = await client.get(path, params={"source": "load", "start": moment, "end": earlier})
        assert (refused.status_code, refused.json()) == (
            400,
            {"message": "Error parsing 'end' query parameter", "error": "'end' must not be before 'start'"},
        )


@pytest.mark.parametrize("name", ["source", "start", "end"])
async def test_a_missing_parameter_of_the_list_is_named(client: httpx.AsyncClient, name: str) -> None:
    query = {key: value for key, value in ({"source": "load"} | ALWAYS).items() if key != name}
    answer = await client.get("/api/v1/tasks", params=query)
    assert (answer.status_code, answer.json()) == (400, {"message": f"'{name}' is required query parameter"})


async def test_the_history_of_a_source_outlives_its_configuration(client: httpx.AsyncClient, database_url: str) -> None:
    unknown = await client.get("/api/v1/tasks", params={"source": "gone"} | ALWAYS)
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"message": "Error getting source", "error": "Source [gone] doesn't exist"},
    )
    await add_task(database_url, source="gone")
    assert len((await client.get("/api/v1/tasks", params={"source": "gone"} | ALWAYS)).json()["tasks"]) == 1
    assert (await client.get("/api/v1/tasks", params={"source": "broken"} | ALWAYS)).json() == {"tasks": []}


async def test_a_cancel_that_does_not_get_through_is_not_ok(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    ahead = "(pg_current_xact_id()::text::numeric + 1000000)::text::xid8"
    await api.pool.execute(f"UPDATE syncline.collections SET xid = {ahead}")
    answer = await client.post(f"/api/v1/tasks/{id_}/cancel")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["message"] == "Queue is busy"
    assert "moved to a server with lower transaction IDs" in answer.json()["error"]
    await api.pool.execute("UPDATE syncline.collections SET xid = pg_current_xact_id()")
    assert (await client.post(f"/api/v1/tasks/{id_}/cancel")).json() == {"status": "ok"}
    assert (await client.get(f"/api/v1/tasks/{id_}")).json()["status"] == "CANCELED"


async def test_a_queued_task_is_canceled_at_once_and_its_log_says_so(client: httpx.AsyncClient) -> None:
    id_ = await scheduled(client)
    for _ in range(2):
        answer = await client.post(f"/api/v1/tasks/{id_}/cancel")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    task = (await client.get(f"/api/v1/tasks/{id_}")).json()
    assert task["status"] == "CANCELED"
    assert TIME.fullmatch(task["finished_at"])
    logs = (await client.get(f"/api/v1/tasks/{id_}/logs")).json()["logs"]
    assert [list(line) for line in logs] == [["time", "message", "level", "system", "attempt", "line"]]
    assert logs[0]["message"] == f"[{id_}] CANCELED while it was queued"
    unknown = await client.post("/api/v1/tasks/x/cancel")
    assert (unknown.status_code, unknown.json()["message"]) == (404, "Error getting task")


async def test_a_running_task_is_asked_to_end_and_its_worker_woken(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    await api.pool.execute("UPDATE syncline.collections SET status = 'RUNNING'")
    assert (await client.post(f"/api/v1/tasks/{id_}/cancel")).status_code == 200
    assert await api.pool.fetchval("SELECT cancel_requested FROM syncline.collections")
    assert api.notifier.told == 2


async def test_the_log_comes_in_order_as_it_is_stored(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    await add_log(api, id_, attempts=2, lines=3)
    assert await lines(client, id_) == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"]
    assert await lines(client, id_, start="2021-03-10T00:00:02Z", end="2021-03-10T00:00:02Z") == ["1.2", "2.2"]
    assert await lines(client, id_, end="2021-03-10T00:00:00Z") == []
    malformed = await client.get(f"/api/v1/tasks/{id_}/logs", params={"start": "now"})
    assert (malformed.status_code, malformed.json()["message"]) == (400, "Error parsing 'start' query parameter")


async def test_the_log_can_be_paged_and_followed(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    await add_log(api, id_, attempts=2, lines=3)
    assert await lines(client, id_, limit="4") == ["1.1", "1.2", "1.3", "2.1"]
    assert await lines(client, id_, limit="4", after="2.1") == ["2.2", "2.3"]
    assert await lines(client, id_, after="1.99", limit="1") == ["2.1"]
    assert await lines(client, id_, after="2.3") == []
    assert await lines(client, id_, limit="0", after="0.0") == await lines(client, id_)


async def test_the_tail_of_a_log_is_its_last_lines_in_order(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    await add_log(api, id_, attempts=2, lines=3)
    assert await lines(client, id_, tail="4") == ["1.3", "2.1", "2.2", "2.3"]
    assert await lines(client, id_, tail="1000") == await lines(client, id_)
    assert await lines(client, id_, tail="1", end="2021-03-10T00:00:02Z") == ["2.2"]
    assert await lines(client, id_, tail="4", after="2.2") == ["2.3"]
    assert await lines(client, id_, tail="4", limit="2") == ["1.3", "2.1"]
    refused = await client.get(f"/api/v1/tasks/{id_}/logs", params={"tail": "1001"})
    assert (refused.status_code, refused.json()["error"]) == (400, "'tail' must be an integer from 1 to 1000")


@pytest.mark.parametrize("limit", ["999", "1000", "1001", "2000", "2001", "2100"])
async def test_a_page_of_a_log_may_be_longer_than_one_of_ours(
    client: httpx.AsyncClient, api: OpenedApi, limit: str
) -> None:
    id_ = await scheduled(client)
    await add_log(api, id_, attempts=1, lines=2050)
    expected = min(int(limit), 2050)
    assert await lines(client, id_, limit=limit) == [f"1.{line}" for line in range(1, expected + 1)]


async def test_a_line_says_which_program_has_written_it(client: httpx.AsyncClient, api: OpenedApi) -> None:
    id_ = await scheduled(client)
    await api.pool.execute(
        "INSERT INTO syncline.log_events (task, attempt, line, at, level, message, system)"
        " VALUES ($1, 1, 1, now(), 'debug', 'one', 'tap-github'), ($1, 1, 2, now(), 'info', 'two', NULL)",
        uuid.UUID(id_[-36:]),
    )
    for query in ({}, {"tail": "2"}):
        answer = await client.get(f"/api/v1/tasks/{id_}/logs", params=query)
        assert [(line["message"], line["system"]) for line in answer.json()["logs"]] == [
            ("one", "tap-github"),
            ("two", "Syncline"),
        ]


async def add_log(api: OpenedApi, id_: str, *, attempts: int, lines: int) -> None:
    """Each line says where it stands; line N was written N seconds after midnight."""
    await api.pool.execute(
        "INSERT INTO syncline.log_events"
        " SELECT $1, attempt, line, $2::timestamptz + line * interval '1 second', 'info',"
        " format('[%s] %s.%s', $3::text, attempt, line)"
        " FROM generate_series(1, $4) AS attempt, generate_series(1, $5) AS line",
        uuid.UUID(id_[-36:]),
        datetime(2021, 3, 10, tzinfo=UTC),
        id_,
        attempts,
        lines,
    )


async def lines(client: httpx.AsyncClient, id_: str, **query: str) -> list[str]:
    answer = await client.get(f"/api/v1/tasks/{id_}/logs", params=query)
    assert answer.status_code == 200
    return [line["message"].removeprefix(f"[{id_}] ") for line in answer.json()["logs"]]


async def test_a_task_is_shown_as_it_was(client: httpx.AsyncClient, api: OpenedApi) -> None:
    before = await api.pool.fetchval("SELECT syncline.clock()")
    id_ = await scheduled(client)
    queued = await api.pool.fetchval("SELECT syncline.clock()")
    position = await api.pool.fetchval("SELECT max(xid) FROM syncline.events")
    await client.post(f"/api/v1/tasks/{id_}/cancel")
    await api.pool.fetchval("SELECT pg_current_xact_id()")

    async def as_of(moment: object) -> httpx.Response:
        text = moment.isoformat() if isinstance(moment, datetime) else str(moment)
        return await client.get(f"/api/v1/tasks/{id_}", params={"as_of": text})

    assert (await as_of(queued)).json()["status"] == "SCHEDULED"
    assert (await as_of(position)).json() == (await as_of(queued)).json()
    event = f"{position}.{id_[-36:]}.1"
    assert (await as_of(event)).json()["status"] == "SCHEDULED"
    assert (await client.get(f"/api/v1/tasks/{id_}")).json()["status"] == "CANCELED"
    assert (await as_of(before)).status_code == 404


@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        ("yesterday", "Error parsing 'as_of' query parameter"),
        ("now", "Error parsing 'as_of' query parameter"),
        ("2099-01-01T00:00:00Z", "Invalid request"),
        ("9999999999999999999", "Invalid request"),
    ],
)
async def test_what_is_no_moment_of_the_past_is_refused(client: httpx.AsyncClient, as_of: str, message: str) -> None:
    id_ = await scheduled(client)
    answer = await client.get(f"/api/v1/tasks/{id_}", params={"as_of": as_of})
    assert (answer.status_code, answer.json()["message"]) == (400, message)


async def test_a_moment_that_retention_has_removed_is_gone(client: httpx.AsyncClient, database_url: str) -> None:
    id_ = await scheduled(client)
    async with opened_store(database_url) as store:
        await store.admin.execute("UPDATE syncline.retention SET sealed_before = current_date, gone_upto = '5'")
    for moment, first in (("2020-01-01T00:00:00Z", f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"), ("3", "5")):
        answer = await client.get(f"/api/v1/tasks/{id_}", params={"as_of": moment})
        assert (answer.status_code, answer.json()["first"]) == (410, first)
    assert (
        await client.get(f"/api/v1/tasks/{id_}", params={"as_of": f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"})
    ).status_code == 404


async def test_the_list_is_shown_as_it_was(client: httpx.AsyncClient, api: OpenedApi) -> None:
    async def moment() -> tuple[str, str]:
        [(at, position)] = await api.pool.fetch(
            "SELECT syncline.clock(), (SELECT coalesce(max(xid), '0') FROM syncline.events)"
        )
        await api.pool.fetchval("SELECT pg_current_xact_id()")
        return at.isoformat(), str(position)

    moments = [await moment()]
    first, second = await scheduled(client), await scheduled(client, collection="slow")
    moments.append(await moment())
    await client.post(f"/api/v1/tasks/{first}/cancel")
    moments.append(await moment())
    third = await scheduled(client)
    both = [{first: "SCHEDULED", second: "SCHEDULED"}, {first: "CANCELED", second: "SCHEDULED"}]
    for (at, position), expected in zip(moments, [{}, *both], strict=True):
        for as_of in (at, position):
            for more in ({}, {"limit": "1"}, {"limit": "5"}):
                shown = {task["id"]: task["status"] for task in await listed(client, as_of=as_of, **more)}
                assert shown == expected, (as_of, more)
            for status in ("SCHEDULED", "CANCELED", "SUCCESS"):
                shown = {task["id"]: task["status"] for task in await listed(client, as_of=as_of, status=status)}
                assert shown == {id_: known for id_, known in expected.items() if known == status}
            shown = {task["id"]: task["status"] for task in await listed(client, as_of=as_of, collection="slow")}
            assert shown == {id_: known for id_, known in expected.items() if id_ == second}
    assert third in {task["id"] for task in await listed(client)}


WHOLE = f"""
server: {{admin_token: {TOKEN}}}
sources:
  tap: {{type: singer, destinations: [nowhere], config: {{command: [tap-x]}}}}
  some: {{type: singer, destinations: [nowhere], config: {{command: [tap-x]}}, collections: [users]}}
destinations:
  nowhere: {{type: none}}
"""


async def test_any_collection_of_a_source_that_names_none_is_all(client: httpx.AsyncClient, api: OpenedApi) -> None:
    api.surroundings.catalogue = load_catalogue(WHOLE, {})
    answer = await client.post("/api/v1/tasks", params={"source": "tap"})
    assert answer.status_code == 201
    id_ = answer.json()["task_id"]
    assert id_.startswith("tap_all_")
    for collection in ("all", "bogus", "users", ""):
        answer = await client.post("/api/v1/tasks", params={"source": "tap", "collection": collection})
        assert (answer.status_code, answer.json()) == (200, {"task_id": id_})
        [task] = await listed(client, source="tap", collection=collection)
        assert task["id"] == id_
    answer = await client.post("/api/v1/tasks", params={"source": "some"})
    assert (answer.status_code, answer.json()) == (400, {"message": "'collection' is required query parameter"})
    for names in ({"source": "some", "collection": "all"}, {"source": "unknown"}):
        assert (await client.post("/api/v1/tasks", params=names)).status_code == 404


@pytest.mark.parametrize(
    ("end", "is_in"),
    [
        ("2021-03-10T22:00:01Z", True),
        ("2021-03-10T22:00:01.000Z", True),
        ("2021-03-10T23:00:01+01:00", True),
        ("2021-03-10T22:00:01.7Z", True),
        ("2021-03-10T22:00:01.600Z", False),
        ("2021-03-10T22:00:00Z", False),
    ],
)
async def test_an_end_in_whole_seconds_is_the_end_of_that_second(
    client: httpx.AsyncClient, database_url: str, end: str, *, is_in: bool
) -> None:
    await add_task(database_url, created_at=datetime(2021, 3, 10, 22, 0, 1, 650_000, tzinfo=UTC))
    assert len(await listed(client, end=end)) == is_in


async def test_a_limit_of_minus_one_is_none(client: httpx.AsyncClient, database_url: str) -> None:
    for hour in range(3):
        await add_task(database_url, created_at=datetime(2021, 3, 10, hour, tzinfo=UTC))
    assert len(await listed(client, limit="-1")) == 3
    refused = await client.get("/api/v1/tasks", params={"source": "load", "limit": "-2"} | ALWAYS)
    assert refused.json()["error"] == "'limit' must be an integer from -1 to 2147483647"


async def test_a_task_that_is_being_canceled_is_waited_for(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    """With a worker at work."""
    config = tmp_path / "config.yaml"
    config.write_text(CATALOGUE.replace("- {name: slow,", "- {name: slow, parameters: {seconds: 600},"))
    async with running_worker(database_url, config), opened_store(database_url) as store:
        id_ = await scheduled(client, collection="slow")
        task = uuid.UUID(id_[-36:])
        await store.running(task)
        assert (await client.post(f"/api/v1/tasks/{id_}/cancel")).status_code == 200
        answers = await asyncio.gather(
            *(client.post("/api/v1/tasks", params=QUICK | {"collection": "slow"}) for _ in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201]
        [new] = {answer.json()["task_id"] for answer in answers}
        assert new != id_
        assert await store.ended(task) == "CANCELED"
        await client.post(f"/api/v1/tasks/{new}/cancel")
        assert await store.ended(uuid.UUID(new[-36:])) == "CANCELED"
