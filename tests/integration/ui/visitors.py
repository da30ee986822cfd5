"""Visitors of the pages, without a browser."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from app.api.application import create_app
from app.ui.routes import make_pages
from tests.harness import until
from tests.integration.api.serving import CATALOGUE, TOKEN, opened_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.api.serving import OpenedApi

OURS = {"Sec-Fetch-Site": "same-origin"}
# An open page asks again, by itself.
RENEWED = {"HX-Request": "true"}


@asynccontextmanager
async def opened(
    database_url: str, *, prefix: str = "", catalogue: str = CATALOGUE
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not logged in, at the pages of an API with this catalogue."""
    async with opened_api(database_url, catalogue) as api, visiting(api, prefix=prefix) as client:
        yield client


@asynccontextmanager
async def visiting(api: OpenedApi, *, prefix: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not logged in, at the pages of this API."""
    services = api.app.state.services
    app = create_app(services, make_pages(services, prefix))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://syncline") as client:
        yield client


async def log_in(client: httpx.AsyncClient, token: str = TOKEN, *, path: str = "") -> httpx.Response:
    return await client.post(f"{path}/login", data={"token": token, "next": f"{path}/?q=x"}, headers=OURS)


async def shown(client: httpx.AsyncClient, path: str, text: str) -> str:
    """The page, once it has the text: what all collections are like is read once a second."""

    async def has_text() -> str | None:
        page = (await client.get(path)).text
        return page if text in page else None

    return await until(has_text)
