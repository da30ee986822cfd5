"""Forgetting bookmarks, with and without the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.domain.errors import SynclineError
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    import httpx

    from tests.integration.api.serving import OpenedApi

PATH = "/api/v1/sources/clear_cache"
QUICK = {"source": "load", "collection": "quick"}
WHOLE = f"""
server: {{admin_token: {TOKEN}}}
sources:
  tap: {{type: singer, destinations: [nowhere], config: {{command: [tap-x]}}}}
destinations:
  nowhere: {{type: none}}
"""


async def reset(api: OpenedApi) -> list[str]:
    """What was reset so far."""
    rows = await api.pool.fetch("SELECT source || '.' || collection AS name FROM syncline.resets ORDER BY 1")
    return [row["name"] for row in rows]


async def test_the_bookmark_of_a_collection_is_forgotten(client: httpx.AsyncClient, api: OpenedApi) -> None:
    await api.pool.execute(
        "INSERT INTO syncline.bookmarks VALUES ('load', 'quick', 'nowhere', '1', 0, syncline.uuid7(now()), 1, now())"
    )
    answer = await client.post(PATH, json=QUICK)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.bookmarks") == 0
    assert await reset(api) == ["load.quick"]


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ({}, {"source": "load"}, ["load.quick", "load.slow"]),
        ({}, {"source": "load", "collection": "", "project_id": "prj1"}, ["load.quick", "load.slow"]),
        ({"source": "load"}, {}, ["load.quick", "load.slow"]),
        ({"source": "load"}, None, ["load.quick", "load.slow"]),
        (QUICK, {}, ["load.quick"]),
        ({"collection": "slow"}, {"source": "load"}, ["load.slow"]),
        ({"source": "a"}, QUICK, ["load.quick"]),
    ],
)
async def test_both_names_may_be_in_the_query_and_without_a_collection_all_are_meant(
    client: httpx.AsyncClient, api: OpenedApi, query: dict[str, str], body: Any, expected: list[str]
) -> None:
    answer = await client.post(PATH, params=query, **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert await reset(api) == expected
    assert api.surroundings.tried == [], "nothing is dropped"


@pytest.mark.parametrize("collection", [{}, {"collection": "all"}, {"collection": "bogus"}])
async def test_any_collection_of_a_source_that_names_none_is_all(
    client: httpx.AsyncClient, api: OpenedApi, collection: dict[str, str]
) -> None:
    api.surroundings.catalogue = load_catalogue(WHOLE, {})
    assert (await client.post(PATH, json={"source": "tap", **collection})).status_code == 200
    assert await reset(api) == ["tap.all"]


@pytest.mark.parametrize("in_query", [True, False])
async def test_tables_are_dropped_and_their_collections_reset(
    client: httpx.AsyncClient, api: OpenedApi, *, in_query: bool
) -> None:
    found: list[list[str]] = []

    async def note(_source: str, _collection: str | None) -> None:
        found.append(await reset(api))

    api.surroundings.source_test = note
    query = {"delete_warehouse_data": "true"} if in_query else {}
    body = {"source": "load"} | ({} if in_query else {"delete_warehouse_data": True})
    assert (await client.post(PATH, params=query, json=body)).json() == {"status": "ok"}
    assert api.surroundings.tried == [("load", "quick"), ("load", "slow")]
    assert found == [[], ["load.quick"]]


async def test_a_table_that_stays_is_a_400_that_says_why(client: httpx.AsyncClient, api: OpenedApi) -> None:
    api.surroundings.source_test_error = SynclineError("a view depends on it")
    answer = await client.post(PATH, params={"delete_warehouse_data": "true"}, json=QUICK)
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "Tables were not dropped", "error": "a view depends on it"},
    )
    assert await reset(api) == []
    answer = await client.post(PATH, params={"delete_warehouse_data": "perhaps"}, json=QUICK)
    assert answer.json()["error"] == "'delete_warehouse_data' must be true or false"
