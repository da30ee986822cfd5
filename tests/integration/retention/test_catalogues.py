"""What tasks were started with goes with the last task that was."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.connector import Connector, SourceFacts
from app.domain.task import Status
from app.store.catalogues import Catalogues
from tests.integration.retention.lives import KEEP

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.retention.lives import Era

WEEK = timedelta(days=7)


async def lived(era: Era, catalogue: str, status: Status = Status.SUCCESS) -> UUID:
    """A task that was started with this catalogue, which has another source too."""
    facts = SourceFacts(Connector("tap-shop", "1"), "digest")
    task = await era.service.schedule("orders")
    started_with = {"release": "1", "catalogue": catalogue}
    [claim] = await era.service.queue.claim(era.service.worker, 1, started_with=started_with)
    await Catalogues(era.pool).register(catalogue, {"shop": facts, "mall": facts}, key_id="key")
    assert await era.service.end(claim, status=status) == []
    return task


async def catalogues(era: Era) -> set[tuple[str, str]]:
    return {(row[0], row[1]) for row in await era.admin.fetch("SELECT catalogue, source FROM syncline.catalogues")}


async def test_a_catalogue_goes_when_no_start_names_it_any_more(era: Era) -> None:
    await lived(era, "spared")
    await lived(era, "last success")
    await lived(era, "last failure", Status.FAILED)
    await lived(era, "last failure", Status.FAILED)
    await era.go(KEEP + WEEK)
    await lived(era, "new", Status.FAILED)
    everything = await catalogues(era)
    assert await era.retire()
    # The last failure is newer now, so the former ones have gone.
    assert await catalogues(era) == {("last success", "shop"), ("new", "shop"), ("new", "mall")}
    assert len(everything) == 8
    await era.is_sound()


async def test_a_catalogue_that_a_worker_still_uses_stays(era: Era) -> None:
    await lived(era, "long")
    await era.go(KEEP + WEEK)
    await lived(era, "long")
    await lived(era, "other")
    assert await era.retire()
    assert await catalogues(era) == {
        (catalogue, source) for catalogue in ("long", "other") for source in ("shop", "mall")
    }
    rows = await era.admin.fetch("SELECT connector, connector_version FROM reporting.task_starts WHERE release = '1'")
    assert [tuple(row) for row in rows] == [("tap-shop", "1")] * len(rows)
    assert rows


async def test_nothing_goes_while_no_task_does(era: Era) -> None:
    await lived(era, "old")
    await era.go(KEEP - timedelta(days=1))
    await lived(era, "new")
    everything = await catalogues(era)
    assert await era.retire()
    assert await catalogues(era) == everything
