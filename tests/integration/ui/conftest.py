"""Somebody who looks at the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.ui.visitors import log_in, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx


@pytest.fixture
async def visitor(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """They have logged in, with the token that may do everything."""
    async with opened(database_url) as client:
        await log_in(client)
        yield client
