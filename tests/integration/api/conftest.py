"""The API over a fresh database, and a client that knows the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.api.serving import TOKEN, opened_api, server_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.integration.api.serving import OpenedApi, ServerProcess


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[OpenedApi]:
    async with opened_api(database_url) as opened:
        yield opened


@pytest.fixture
async def client(api: OpenedApi) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=api.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://syncline", headers={"X-Admin-Token": TOKEN}
    ) as client:
        yield client


@pytest.fixture
def server(database_url: str) -> Iterator[ServerProcess]:
    with server_process(database_url) as process:
        yield process
