"""Open pages that ask again by themselves: they share what is read and shown, as far as each may see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.api_token import TokenScope
from app.store.tokens import TokenAdmin
from app.ui.rendering import render
from tests.integration.ui.visitors import OURS, RENEWED, log_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx
    from starlette.responses import Response

    from tests.harness import Store

PAGES = ("/", "/timeline", "/failures", "/collection?source=load&collection=quick", "/events", "/workers", "/sources")


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine needs more than a second for some requests."""
    monkeypatch.setattr("app.ui.shared.FRESH_SECONDS", 3600.0)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates of the pages that were made."""
    names: list[str] = []

    def counted(template: str, values: Mapping[str, Any]) -> Response:
        names.append(template)
        return render(template, values)

    monkeypatch.setattr("app.ui.page.render", counted)
    return names


@pytest.mark.usefixtures("slow_clock")
@pytest.mark.parametrize("path", PAGES)
async def test_many_open_pages_cost_as_much_as_one(visitor: httpx.AsyncClient, rendered: list[str], path: str) -> None:
    answers = await asyncio.gather(*(visitor.get(path, headers=RENEWED) for _ in range(50)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert len(rendered) == 1
    await visitor.get(path)
    assert len(rendered) == 2


@pytest.mark.usefixtures("slow_clock")
async def test_what_one_may_do_is_shown_to_nobody_else(visitor: httpx.AsyncClient, store: Store) -> None:
    assert "Run now" in (await visitor.get("/", headers=RENEWED)).text
    token = await TokenAdmin(store.admin).create("a dashboard", TokenScope.READ, None)
    await log_in(visitor, token.text)
    page = (await visitor.get("/", headers=RENEWED)).text
    assert "a dashboard" in page
    assert "Run now" not in page


@pytest.mark.usefixtures("slow_clock")
async def test_who_has_acted_sees_what_came_of_it(visitor: httpx.AsyncClient) -> None:
    assert "waits for a worker" not in (await visitor.get("/", headers=RENEWED)).text
    asked = {"source": "load", "collection": "quick", "back": "/"}
    assert (await visitor.post("/run", data=asked, headers=OURS)).status_code == 303
    assert "waits for a worker" in (await visitor.get("/", headers=RENEWED)).text
