"""`GET /tasks/recent`: the newest tasks of all sources, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain.events import TASK_FAILED
from app.domain.task import Status

if TYPE_CHECKING:
    import httpx

    from tests.harness import Store

RECENT = "/api/v1/tasks/recent"


async def test_pages_go_from_the_newest_to_the_oldest(client: httpx.AsyncClient, store: Store) -> None:
    for number in range(7):
        await store.schedule(f"c{number}", source=f"s{number % 2}")
    whole = (await client.get(RECENT)).json()
    assert [task["collection"] for task in whole["tasks"]] == [f"c{number}" for number in range(6, -1, -1)]
    assert "next" not in whole
    assert whole["tasks"][0] == (await client.get(f"/api/v1/tasks/{whole['tasks'][0]['id']}")).json()
    pages, before = [], None
    while before != "end":
        page = (await client.get(RECENT, params={"limit": "3"} | ({"before": before} if before else {}))).json()
        pages += page["tasks"]
        before = page.get("next", "end")
    assert pages == whole["tasks"]


async def test_filters(client: httpx.AsyncClient, store: Store) -> None:
    worker = await store.worker()
    for source, collection in (("s", "a"), ("s", "b"), ("t", "a")):
        claim = await store.claimed(worker, collection, source=source)
        if collection == "b":
            await store.end(worker, claim, type_=TASK_FAILED, status=Status.FAILED, error="broken")
        else:
            await store.end(worker, claim)

    async def named(**parameters: str) -> list[str]:
        tasks = (await client.get(RECENT, params=parameters)).json()["tasks"]
        return [f"{task['source']}.{task['collection']}" for task in tasks]

    assert await named() == ["t.a", "s.b", "s.a"]
    assert await named(source="s") == ["s.b", "s.a"]
    assert await named(source="s", collection="a") == ["s.a"]
    assert await named(collection="a") == ["t.a", "s.a"]
    assert await named(status="failed,Canceled") == ["s.b"]
    assert await named(status="success", source="s") == ["s.a"]
    assert await named(since="2100-01-01T00:00:00Z") == []
    assert await named(source="unknown") == []


@pytest.mark.parametrize(
    ("parameters", "message", "error"),
    [
        ({"status": "failed,done"}, "Error parsing 'status' query parameter", "one or several of scheduled, running"),
        ({"before": "2026"}, "Error parsing 'before' query parameter", "the `next` of a page"),
        ({"limit": "0"}, "Error parsing 'limit' query parameter", "from 1 to 1000"),
    ],
)
async def test_a_mistake_is_told(
    client: httpx.AsyncClient, parameters: dict[str, str], message: str, error: str
) -> None:
    answer = await client.get(RECENT, params=parameters)
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert error in answer.json()["error"]
