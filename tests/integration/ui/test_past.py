"""Pages as of a moment of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from app.domain.events import TASK_FAILED
from app.domain.task import Status, task_id

if TYPE_CHECKING:
    import httpx

    from tests.harness import Store

RUNNING = 'class="state running"'


async def moment_of(store: Store) -> str:
    """The position of the feed up to now, as part of an address."""
    return str(await store.pool.fetchval("SELECT max(xid)::text FROM syncline.events"))


async def test_every_page_shows_what_there_was(visitor: httpx.AsyncClient, store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, "quick", source="load", max_attempts=1)
    id_ = task_id("load", "quick", claim.task)
    running = await moment_of(store)
    await store.end(worker, claim, type_=TASK_FAILED, status=Status.FAILED, error="no space")
    failed = await moment_of(store)
    await store.end(worker, await store.claimed(worker, "quick", source="load"))

    async def shown(path: str) -> str:
        answer = await visitor.get(path)
        assert answer.status_code == 200, path
        return answer.text

    collection = "collection?source=load&collection=quick"
    for path in ("", f"/tasks/{id_}", f"/{collection}"):
        then, later, now = [await shown(at + path) for at in (f"/at/{running}", f"/at/{failed}", "")]
        assert (RUNNING in then, "no space" in then) == (True, False), path
        assert RUNNING not in later, path
        assert "no space" in later, path
        assert "Back to now" in later
        assert "Back to now" not in now
    assert "no space" not in await shown(f"/at/{running}/failures")
    assert "1 cause needs attention" in await shown(f"/at/{failed}/failures")
    assert "Every failure is dealt with" in await shown("/failures")


async def test_all_links_lead_to_the_same_moment_and_nothing_can_be_changed(
    visitor: httpx.AsyncClient, store: Store
) -> None:
    worker = await store.worker()
    await store.end(worker, await store.claimed(worker, "quick", source="load"))
    at = await moment_of(store)
    page = (await visitor.get(f"/at/{at}/")).text
    for path in ("/", "/timeline", "/failures", "/collection?source=load&amp;collection=quick"):
        assert f'href="/at/{at}{path}"' in page
    assert 'href="/static/syncline.css"' in page
    for text in ("Run now", "Pause", "data-live"):
        assert text not in page


async def test_a_time_leads_to_the_page_as_it_was_then(visitor: httpx.AsyncClient) -> None:
    async def led_to(**query: str) -> tuple[int, str]:
        answer = await visitor.get("/as-of", params=query)
        return answer.status_code, answer.headers.get("location", answer.text)

    assert await led_to(time="2026-01-31T12:00:05", page="/timeline?q=x") == (
        303,
        "/at/2026-01-31T12:00:05Z/timeline?q=x",
    )
    assert await led_to(time="2026-01-31 13:00+01:00", page="/") == (303, "/at/2026-01-31T12:00:00Z/")
    assert await led_to(time="", page="/failures") == (303, "/failures")
    assert await led_to(time="", page="//elsewhere.example") == (303, "/")
    for time in ("noon", "0001-01-01T00:00:00+14:00"):
        status, page = await led_to(time=time, page="/")
        assert (status, "This is not a time" in page) == (400, True)


@pytest.mark.parametrize("given", ["noon", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", "1.2.3.4.5", "\N{SNOWMAN}"])
async def test_what_is_not_a_moment_is_refused(visitor: httpx.AsyncClient, given: str) -> None:
    answer = await visitor.get(f"/at/{quote(given)}/timeline")
    assert (answer.status_code, "This is not a moment" in answer.text) == (400, True)


async def test_a_moment_that_is_still_to_come_or_was_removed_is_refused(
    visitor: httpx.AsyncClient, store: Store
) -> None:
    future = await visitor.get("/at/9000-01-01T00:00:00Z/")
    assert (future.status_code, "must not be in the future" in future.text) == (400, True)
    await store.admin.execute("UPDATE syncline.retention SET sealed_before = '2026-01-01'")
    gone = await visitor.get("/at/2020-01-01T00:00:00Z/")
    assert (gone.status_code, "retention has removed what was before 2026-01-01" in gone.text) == (410, True)


async def test_however_a_moment_is_written_the_links_lead_to_it_and_back(visitor: httpx.AsyncClient) -> None:
    page = (await visitor.get("/at/2026-11-01T01:00:00%2B01:00/timeline?period=1h")).text
    assert 'href="/timeline?period=1h">Back to now' in page
    assert 'href="/at/2026-11-01T00:01:00Z/timeline?period=1h"' in page
