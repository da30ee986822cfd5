"""Bookmarks over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.store.leases import Leases
from app.store.queue import TaskQueue
from tests.harness import FOREVER, a_task
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    import httpx

    from tests.integration.api.serving import OpenedApi

CATALOGUE = f"""
server: {{admin_token: {TOKEN}}}
sources:
  shop:
    type: sql
    destinations: [lake, nowhere]
    config: {{url: "postgresql://me:hunter2-hunter2@127.0.0.1/shop"}}
    collections: [{{name: orders, cursor_field: at, sync_mode: incremental}}]
destinations:
  lake: {{type: duckdb, path: /somewhere}}
  nowhere: {{type: none}}
"""
SHOP = {"source": "shop", "collection": "orders"}
FOUR = {"cursor_field": "at", "type": "text", "value": "4"}


@pytest.fixture
def shop(api: OpenedApi, client: httpx.AsyncClient) -> httpx.AsyncClient:
    api.surroundings.catalogue = load_catalogue(CATALOGUE, {})
    return client


async def post(client: httpx.AsyncClient, **body: Any) -> tuple[int, Any]:
    answer = await client.post("/api/v1/sources/bookmark", json=SHOP | body)
    return answer.status_code, answer.json()


async def listed(client: httpx.AsyncClient, **more: Any) -> Any:
    answer = await client.get("/api/v1/sources/bookmarks", params=SHOP | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_bookmark_is_set_by_value_and_by_position(shop: httpx.AsyncClient) -> None:
    assert await listed(shop) == {"bookmarks": [], "history": []}
    status, first = await post(shop, bookmarks={"lake": FOUR})
    assert (status, first["status"]) == (200, "ok")
    secret = FOUR | {"value": "hunter2-hunter2"}
    _, second = await post(shop, bookmarks={"lake": secret})
    assert second["generation"] > first["generation"]
    now = await listed(shop)
    assert [(each["destination"], each["bookmark"]["value"]) for each in now["bookmarks"]] == [("lake", "***")]
    assert [(each["type"], each["position"]) for each in now["history"]] == [
        ("set", second["position"]),
        ("set", first["position"]),
    ]
    status, third = await post(shop, position=first["position"])
    assert status == 200, third
    [kept] = (await listed(shop))["bookmarks"]
    assert (kept["bookmark"], kept["position"]) == (FOUR, third["position"])
    [newest] = (await listed(shop, limit=1))["history"]
    assert newest["bookmarks"] == {"lake": FOUR}
    _, none = await post(shop, bookmarks={"lake": None})
    shown = await listed(shop, limit=1)
    assert shown["bookmarks"] == []
    assert shown["history"][0]["bookmarks"] == {"lake": None}
    assert shown["history"][0]["position"] == none["position"]


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({}, 400, "give either 'bookmarks' or 'position'"),
        ({"bookmarks": {"lake": FOUR}, "position": "1"}, 400, "give either 'bookmarks' or 'position'"),
        ({"bookmarks": {}}, 400, "no destination is named"),
        ({"bookmarks": [1]}, 400, "must be an object with a bookmark for each destination"),
        ({"bookmarks": {"nowhere": FOUR}}, 400, "unknown destination with a bookmark 'nowhere'"),
        ({"bookmarks": {"lake": 4}}, 400, "this cannot be a bookmark: it must have the form"),
        ({"bookmarks": {"lake": FOUR | {"value": "\0"}}}, 400, "it has a NUL character"),
        ({"position": "now"}, 400, "'position' must be the id of an event, or a position"),
        ({"position": "17"}, 400, "there was no bookmark at position 17"),
        ({"collection": "others", "position": "17"}, 404, "Collection [others] doesn't exist"),
    ],
)
async def test_what_cannot_be_set_is_refused(
    shop: httpx.AsyncClient, body: dict[str, Any], status: int, why: str
) -> None:
    answered, answer = await post(shop, **body)
    assert (answered, why in answer["error"]) == (status, True), answer


async def test_a_running_task_stands_in_the_way(shop: httpx.AsyncClient, api: OpenedApi) -> None:
    queue = TaskQueue(api.pool)
    await queue.schedule(a_task("orders", "shop"))
    worker = await Leases(api.pool).register(host="here", pid=1, release="1", slots=8, length=FOREVER)
    [claim] = await queue.claim(worker, 1)
    assert await post(shop, bookmarks={"lake": FOUR}) == (
        409,
        {"message": "Collection is busy", "error": f"Task [{claim.task_id}] is running: cancel it, or wait"},
    )
