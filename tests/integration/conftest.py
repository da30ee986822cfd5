from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness import Store, opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as store:
        yield store
