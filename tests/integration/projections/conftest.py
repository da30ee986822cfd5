from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.projections.service import Service, running_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with running_service(database_url) as service:
        yield service
