"""Pausing and resuming over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.store.leases import Leases
from app.store.queue import TaskQueue
from tests.harness import FOREVER

if TYPE_CHECKING:
    import httpx

    from tests.integration.api.serving import OpenedApi

FAR = "2099-01-01T00:00:00Z"


async def post(client: httpx.AsyncClient, action: str, **body: Any) -> tuple[int, Any]:
    answer = await client.post(f"/api/v1/sources/{action}", json=body)
    return answer.status_code, answer.json()


async def source(client: httpx.AsyncClient, name: str = "load") -> dict[str, Any]:
    sources: list[dict[str, Any]] = (await client.get("/api/v1/sources")).json()["sources"]
    return next(one for one in sources if one["id"] == name)


async def test_a_pause_shows_and_ends(client: httpx.AsyncClient) -> None:
    status, answer = await post(client, "pause", source="load", collection="quick", until=FAR)
    assert (status, answer["status"], answer["canceled"]) == (200, "ok", [])
    assert answer["paused_until"] == "2099-01-01T00:00:00.000000Z"
    shown = await source(client)
    collections = {one["name"]: one for one in shown["collections"]}
    assert collections["quick"]["paused_since"] == answer["paused_since"]
    assert collections["quick"]["paused_until"] == answer["paused_until"]
    assert "paused_since" not in collections["slow"]
    assert "paused_since" not in shown
    resumed = {"status": "ok", "was_paused": True, "source_is_paused": False, "still_paused": []}
    assert await post(client, "resume", source="load", collection="quick") == (200, resumed)
    again = {"status": "ok", "was_paused": False, "source_is_paused": False, "still_paused": []}
    assert await post(client, "resume", source="load", collection="quick") == (200, again)
    assert "paused" not in str(await source(client))


async def test_a_whole_source_is_paused_and_its_collections_cannot_be_resumed_alone(client: httpx.AsyncClient) -> None:
    await post(client, "pause", source="load", collection="quick")
    await post(client, "pause", source="load")
    assert "paused_since" in await source(client)
    status, answer = await post(client, "resume", source="load", collection="slow")
    assert (status, answer["message"]) == (409, "Source is paused")
    assert answer["error"] == "the whole source [load] is paused: resume the source"
    status, answer = await post(client, "resume", source="load")
    assert (status, answer["still_paused"]) == (200, ["quick"])
    await post(client, "pause", source="load")
    status, answer = await post(client, "resume", source="load", collection="quick")
    assert (status, answer["was_paused"], answer["source_is_paused"]) == (200, True, True)


async def test_a_task_in_a_pause_waits_and_its_second_request_gets_the_same(client: httpx.AsyncClient) -> None:
    await post(client, "pause", source="load")
    parameters = {"source": "load", "collection": "quick"}
    first = await client.post("/api/v1/tasks", params=parameters)
    second = await client.post("/api/v1/tasks", params=parameters)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


@pytest.mark.parametrize("cancel", [True, False], ids=["canceled", "not canceled"])
async def test_running_tasks_go_on_unless_they_are_canceled(
    client: httpx.AsyncClient, api: OpenedApi, *, cancel: bool
) -> None:
    worker = await Leases(api.pool).register(host="h", pid=1, release="1", slots=8, length=FOREVER)
    for collection in ("quick", "slow"):
        await client.post("/api/v1/tasks", params={"source": "load", "collection": collection})
    [claim] = await TaskQueue(api.pool).claim(worker, 1)
    status, answer = await post(client, "pause", source="load", cancel=cancel)
    assert (status, answer["canceled"]) == (200, [claim.task_id] if cancel else [])
    rows = await api.pool.fetch("SELECT status, cancel_requested FROM syncline.collections ORDER BY status")
    assert [tuple(row) for row in rows] == [("RUNNING", cancel), ("SCHEDULED", False)]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "'source' is required field"),
        ({"source": "nothing"}, 404, "Error getting source"),
        ({"source": "load", "collection": "nothing"}, 404, "Error getting collection"),
        ({"source": "load", "collection": ""}, 400, "Error parsing 'collection' field"),
        ({"source": "load", "until": "tomorrow"}, 400, "Error parsing 'until' field"),
        ({"source": "load", "until": "2020-01-01T00:00:00Z"}, 400, "Invalid request"),
        ({"source": "load", "cancel": "yes"}, 400, "Error parsing 'cancel' field"),
        ({"source": "load", "cancel": 1}, 400, "Error parsing 'cancel' field"),
    ],
)
async def test_a_wrong_request_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, message: str
) -> None:
    found, answer = await post(client, "pause", **body)
    assert (found, answer["message"]) == (status, message)
    assert "paused" not in str(await source(client))


async def test_what_has_left_the_catalogue_can_be_resumed(client: httpx.AsyncClient, api: OpenedApi) -> None:
    await post(client, "pause", source="load")
    await api.pool.execute("UPDATE syncline.pauses SET source = 'gone'")
    assert (await post(client, "resume", source="gone"))[0] == 200
    assert (await post(client, "resume", source="gone"))[0] == 404
