from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.retention.lives import Era, running_era

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def era(database_url: str) -> AsyncIterator[Era]:
    async with running_era(database_url) as era:
        yield era
