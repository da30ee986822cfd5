"""The sources of the catalogue on a page: their problems, and tests of connectors."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from app.domain.api_token import TokenScope
from app.domain.attempt_protocol import ColumnTypes, Offered
from app.domain.errors import SynclineError
from app.store.tokens import TokenAdmin
from tests.integration.api.serving import CATALOGUE, opened_api
from tests.integration.ui.visitors import OURS, log_in, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.harness import Store
    from tests.integration.api.serving import OpenedApi


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[OpenedApi]:
    async with opened_api(database_url, CATALOGUE) as api:
        yield api


@pytest.fixture
async def visitor(api: OpenedApi) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(api) as client:
        await log_in(client)
        yield client


async def test_what_is_wrong_with_the_catalogue_comes_first(visitor: httpx.AsyncClient) -> None:
    page = (await visitor.get("/sources")).text
    assert "sources.broken.destinations" in page
    assert page.index("sources.broken.destinations") < page.index("Left out") < page.index("synthetic")


async def test_each_error_of_a_test_is_shown(api: OpenedApi, visitor: httpx.AsyncClient) -> None:
    works = await visitor.post("/test", data={"source": "load"}, headers=OURS)
    assert "Everything works" in works.text
    assert api.surroundings.tried == [("load", None), ("nowhere", None)]
    api.surroundings.source_test_error = SynclineError("no route to <host>")
    fails = await visitor.post("/test", data={"destination": "nowhere"}, headers=OURS)
    assert "Something does not work" in fails.text
    assert "no route to &lt;host&gt;" in fails.text
    unknown = await visitor.post("/test", data={"destination": "lake"}, headers=OURS)
    assert (unknown.status_code, "lake" in unknown.text) == (404, True)
    refused = await visitor.post("/discover", data={"source": "load"}, headers=OURS)
    assert (refused.status_code, "no route to &lt;host&gt;" in refused.text) == (400, True)


async def test_many_tables_are_shown_up_to_a_limit_and_the_rest_is_counted(
    api: OpenedApi, visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ui.pages.sources.MOST_OFFERS", 3)
    columns = {f"c{number}": "text" for number in range(105)}
    api.surroundings.offered = [Offered(f"t{number}", columns) for number in range(5)]
    page = (await visitor.post("/discover", data={"source": "load"}, headers=OURS)).text
    assert page.count("data-yaml") == 3
    assert "2 more are not shown" in page
    assert page.count("and 5 more") == 3


async def test_columns_are_shown_with_the_types_that_they_get(api: OpenedApi, visitor: httpx.AsyncClient) -> None:
    api.surroundings.offered = [
        Offered("orders", {"id": "big integer", "total": "decimal(18,2)", "odd": "unknown"}),
        Offered("users", {"id": "big integer"}),
    ]
    api.surroundings.column_types = {
        "nowhere": ColumnTypes("nowhere", {"big integer": "<bigint>", "decimal(18,2)": "numeric(18,2)"})
    }
    columns = columns_of((await visitor.post("/discover", data={"source": "load"}, headers=OURS)).text)
    assert columns == [
        "id big integer → <bigint>",
        "total decimal(18,2) → numeric(18,2)",
        "odd unknown",
        "id big integer → <bigint>",
    ]
    assert api.surroundings.described == [{"big integer", "decimal(18,2)"}]


async def test_a_destination_whose_types_are_not_known_keeps_nobody_from_choosing(
    api: OpenedApi, visitor: httpx.AsyncClient
) -> None:
    api.surroundings.offered = [Offered("users", {"id": "integer"})]

    async def page() -> str:
        shown = (await visitor.post("/discover", data={"source": "load"}, headers=OURS)).text
        assert columns_of(shown) == ["id integer"]
        return shown

    assert "<bdi>nowhere</bdi> has no types of columns." in await page()
    api.surroundings.column_types = {"nowhere": ColumnTypes("nowhere", error="no route to <host>")}
    told = "Which types columns get at <b><bdi>nowhere</bdi></b> is not known: <bdi>{}</bdi>"
    assert told.format("no route to &lt;host&gt;") in await page()
    api.surroundings.describing_error = SynclineError("the connector exited with code 1")
    assert told.format("the connector exited with code 1") in await page()


def columns_of(page: str) -> list[str]:
    """What is said of each column."""
    return [
        " ".join(html.unescape(re.sub(r"<[^>]*>", "", each)).split())
        for each in re.findall(r"<li>(.*?)</li>", page, re.DOTALL)
    ]


async def test_only_administrators_ask_connectors(api: OpenedApi, visitor: httpx.AsyncClient, store: Store) -> None:
    token = await TokenAdmin(store.admin).create("", TokenScope.RUN, None)
    await log_in(visitor, token.text)
    page = (await visitor.get("/sources")).text
    assert ">Test<" not in page
    assert "may test sources" in page
    for action in ("test", "discover"):
        answer = await visitor.post(f"/{action}", data={"source": "load"}, headers=OURS)
        assert answer.status_code == 403
    assert api.surroundings.tried == []
