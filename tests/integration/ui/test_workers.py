"""The page of workers: who is there, what each runs, and what does not fit together."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from app.store.workers import fetch_workers
from app.ui.pages.workers import MOST_TASKS
from tests.integration.ui.visitors import RENEWED, shown

if TYPE_CHECKING:
    from uuid import UUID

    import httpx
    import pytest

    from tests.harness import Store

FOREVER = timedelta(days=1)
NOTHING = timedelta(microseconds=1)


async def register(
    store: Store, host: str, *, lease: timedelta = FOREVER, pools: tuple[str, ...] = ("default",)
) -> UUID:
    return await store.leases.register(
        host=host, pid=17, release=version("syncline"), slots=8, length=lease, pools=pools
    )


async def row_of(visitor: httpx.AsyncClient, host: str) -> str:
    """The words of a worker's row."""
    page = await shown(visitor, "/workers", f"<bdi>{host}</bdi>")
    [row] = re.findall(rf'<tr id="w-[^>]*>\s*<th scope="row"><bdi>{host}</bdi>.*?</tr>', page, re.DOTALL)
    return " ".join(re.sub(r"<i .*?</i>|<[^>]*>", " ", row).split())


async def test_without_a_worker_it_says_what_that_means(visitor: httpx.AsyncClient) -> None:
    page = (await visitor.get("/workers")).text
    assert "No worker is alive" in page
    assert "Nothing is claimed, and no schedule fires" in page


async def test_nobody_knows_who_was_there_before(visitor: httpx.AsyncClient, store: Store) -> None:
    await register(store, "one")
    page = (await visitor.get("/at/2026-01-01T00:00:00Z/workers")).text
    assert "Workers are known only as they are now" in page
    assert '<a href="/workers">' in page


async def test_a_worker_says_what_it_runs_and_when_it_was_heard(visitor: httpx.AsyncClient, store: Store) -> None:
    worker = await register(store, "one", pools=("eu", "us"))
    for number in range(MOST_TASKS + 2):
        await store.schedule(f"c{number}", pool="eu")
    tasks = await store.queue.claim(worker, MOST_TASKS + 2, pools=("eu", "us"))
    row = await row_of(visitor, "one")
    assert re.match(rf"one pid 17 · {str(worker)[-12:]} Alive last heartbeat (just now|\S+ s ago) s / c0 for", row)
    assert row.count(" for ") == MOST_TASKS
    assert "and 2 more" in row
    assert f"eu, us {version('syncline')} {MOST_TASKS + 2} of 8" in row
    page = (await visitor.get("/workers")).text
    assert "One worker is alive" in page
    assert "10 of 8 slots in use" in page
    assert page.index(f"/tasks/{tasks[0].task_id}") < page.index(f"/tasks/{tasks[1].task_id}")


async def test_one_that_is_gone_says_so_and_what_becomes_of_its_tasks(visitor: httpx.AsyncClient, store: Store) -> None:
    worker = await register(store, "gone")
    await store.claimed(worker)
    await store.admin.execute("UPDATE syncline.workers SET lease_until = syncline.clock() - interval '5 s'")
    words = await row_of(visitor, "gone")
    assert re.search(
        r"Gone its lease expired \S+ s ago; last heartbeat .*; 1 task that it ran will be taken over", words
    )
    await store.leases.rescue()

    await shown(visitor, "/workers", "Gone")
    page = await visitor.get("/workers")
    assert "No worker is alive" in page.text


async def test_one_that_ends_says_how_far_it_is(visitor: httpx.AsyncClient, store: Store) -> None:
    worker = await register(store, "ending")
    await store.leases.drain(worker)
    assert "Draining finishes what it runs and takes nothing new; last heartbeat" in await row_of(visitor, "ending")
    await store.leases.stop(worker)
    await shown(visitor, "/workers", "Stopped")
    assert re.search(r"Stopped stopped (just now|\S+ s ago)", await row_of(visitor, "ending"))


async def test_what_does_not_fit_together_is_told(visitor: httpx.AsyncClient, store: Store) -> None:
    await store.leases.register(host="old", pid=1, release="0.0.9", slots=1, length=FOREVER)
    page = await shown(visitor, "/workers", "workers are of release 0.0.9")
    assert f"This API is release {version('syncline')}" in page
    assert '<td data-label="Release" class="different">0.0.9</td>' in page
    assert "another version of the catalogue" not in page
    await store.admin.execute("UPDATE syncline.workers SET content = 'old'")
    await store.admin.execute("UPDATE syncline.catalogue_content SET digest = 'new'")
    await shown(visitor, "/workers", "1 worker has another version of the catalogue")
    await store.admin.execute("UPDATE syncline.alembic_version SET version_num = '9999'")
    await shown(visitor, "/workers", "The database schema is at version 9999")
    await store.admin.execute("UPDATE syncline.alembic_version SET version_num = '0001'")
    await shown(visitor, "/workers", "run &#39;syncline migrate&#39;")


async def test_names_of_hosts_are_only_text(visitor: httpx.AsyncClient, store: Store) -> None:
    await register(store, "<b>\x1b[31m\u202e", pools=("<i>",))
    page = (await visitor.get("/workers")).text
    assert "<bdi>&lt;b&gt;\\x1b[31m\\u202e</bdi>" in page
    assert "<bdi>&lt;i&gt;</bdi>" in page


async def test_those_that_are_left_out_are_counted(store: Store) -> None:
    alive = [await register(store, "alive") for _ in range(2)]
    gone = [await register(store, "gone", lease=NOTHING) for _ in range(3)]
    await store.admin.execute(
        "UPDATE syncline.workers SET lease_until = syncline.clock() - interval '25 hours' WHERE worker = $1", gone[0]
    )
    found = await fetch_workers(store.pool, 3, 1)
    assert [each.id for each in found.workers] == [*reversed(alive), gone[2]]
    assert found.left_out == 1


async def test_however_many_pages_are_open_the_store_is_asked_once_a_second(
    visitor: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return await fetch_workers(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("app.store.reads.fetch_workers", counted)
    monkeypatch.setattr("app.ui.shared.FRESH_SECONDS", 3600.0)
    await register(store, "one")
    for _ in range(5):
        assert "One worker is alive" in (await visitor.get("/workers", headers=RENEWED)).text
    assert asked == 1
    await register(store, "two")
    # Who opens the page, or loads it anew, sees how it is now.
    assert "2 workers are alive" in (await visitor.get("/workers")).text
