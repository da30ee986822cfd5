from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness import Store, opened_store
from tests.integration.scheduling.scheduling import Scheduling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as store:
        yield store


async def _leave_the_mark(store: Store) -> None:
    """Moves the clock on to the third of five minutes, so that no cron time comes while a test runs."""
    now = await store.pool.fetchval("SELECT syncline.clock()")
    await store.move_clock(f"{(2 - now.minute) % 5} minutes")
    await store.pool.expire_connections()


@pytest.fixture
async def scheduling(store: Store) -> AsyncIterator[Scheduling]:
    await _leave_the_mark(store)
    scheduling = Scheduling(store)
    yield scheduling
    await scheduling.notifier.aclose()
