"""Whatever lives tasks have had, and whenever retention came: what is left is sound, and nobody misses anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.task import Status
from tests.integration.retention.lives import KEEP, running_era
from tests.properties import examples
from tests.servers.postgres import create_database, drop_database

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from tests.integration.retention.lives import Era

OUTCOMES = (Status.SUCCESS, Status.FAILED, Status.CANCELED)
LIVES = st.builds(
    lambda collection, status, save, lines: (collection, status, save, lines),
    st.sampled_from("abc"),
    st.sampled_from(OUTCOMES),
    st.booleans(),
    st.integers(1, 3),
)
STEPS = st.lists(st.tuples(st.integers(0, 20), st.lists(LIVES, max_size=4), st.booleans()), min_size=3, max_size=9)


@dataclass
class Needed:
    """What has to stay of a collection."""

    last: dict[str, UUID] = field(default_factory=dict)
    saved: UUID | None = None
    ended: list[tuple[datetime, UUID]] = field(default_factory=list)


@examples(6)
@given(steps=STEPS, last_runs=st.integers(1, 4))
@example(
    steps=[
        (19, [("a", Status.SUCCESS, False, 1)], False),
        (16, [], True),
        (0, [("a", Status.SUCCESS, False, 1)], True),
    ],
    last_runs=1,
)
def test_what_is_needed_stays_and_what_is_left_is_sound(
    postgres_server_url: str,
    migrated_template: str,
    steps: list[tuple[int, list[tuple[str, Status, bool, int]], bool]],
    last_runs: int,
) -> None:
    url = create_database(postgres_server_url, template=migrated_template)
    try:
        asyncio.run(_live(url, steps, last_runs))
    finally:
        drop_database(url, server_url=postgres_server_url)


async def _live(url: str, steps: list[tuple[int, list[tuple[str, Status, bool, int]], bool]], last_runs: int) -> None:
    needed: dict[str, Needed] = {}
    async with running_era(url) as era:
        for days, lives, comes in steps:
            await era.go(timedelta(days=days))
            for collection, status, save, lines in lives:
                task = await era.lived(collection, status, save=save, lines=lines)
                of = needed.setdefault(collection, Needed())
                of.last |= {"any": task, status: task}
                of.saved = task if save else of.saved
                of.ended.append((await era.pool.fetchval("SELECT syncline.clock()"), task))
            if comes:
                assert await era.retire(last_runs=last_runs)
                await _nothing_is_missed(era, needed, last_runs)
        await era.is_sound()


async def _nothing_is_missed(era: Era, needed: dict[str, Needed], last_runs: int) -> None:
    tasks, logged = await era.tasks(), await era.logged()
    cutoff: datetime = await era.pool.fetchval("SELECT date_trunc('day', syncline.clock()) - $1::interval", KEEP)
    young = {task for of in needed.values() for at, task in of.ended if at >= cutoff}
    stay = {
        task
        for of in needed.values()
        for task in (of.last.get("any"), of.last.get(Status.SUCCESS), of.last.get(Status.FAILED), of.saved)
        if task
    }
    runs = {task for of in needed.values() for _, task in of.ended[-last_runs:]}
    assert young | stay <= tasks
    assert tasks == await era.streams()
    assert (runs & tasks) | stay <= logged <= tasks
