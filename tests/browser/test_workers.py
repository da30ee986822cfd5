"""The workers in a browser."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from playwright.async_api import expect

from tests.acceptance.cluster import wait_until
from tests.browser.visiting import check_for_everybody, go_by_keys

if TYPE_CHECKING:
    from tests.acceptance.cluster import Cluster
    from tests.browser.visiting import Site

# Its lease would end within a minute.
EXPIRE_NEWEST = """
UPDATE syncline.workers SET lease_until = syncline.clock()
WHERE worker = (SELECT worker FROM syncline.workers ORDER BY started_at DESC LIMIT 1)
"""


async def test_what_a_worker_runs_appears_and_goes_without_a_reload(site: Site) -> None:
    async with site.visited() as page:
        await go_by_keys(page, "w")
        await expect(page.get_by_role("heading", level=1)).to_have_text("One worker is alive")
        await page.evaluate("window.stays = true")
        task_id = site.api.run("load", "endless")
        runs = page.get_by_role("list", name="Runs")
        await expect(runs.get_by_role("link", name="load / endless")).to_be_visible()
        await expect(page.get_by_text("last heartbeat").first).to_be_visible()
        assert await page.evaluate("window.stays")
        await runs.get_by_role("link", name="load / endless").click()
        await expect(page).to_have_url(f"{site.address}/tasks/{task_id}")
        await page.get_by_role("button", name="Cancel").click()
        await page.goto("/workers")
        await expect(runs).to_be_hidden()


async def test_a_worker_that_is_killed_is_gone(cluster: Cluster, site: Site, module_database_url: str) -> None:
    second = cluster.worker()
    async with site.visited("/workers") as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text("2 workers are alive")
        second.kill()
        connection = await asyncpg.connect(module_database_url)
        await connection.execute(EXPIRE_NEWEST)
        await connection.close()
        await expect(page.get_by_role("heading", level=1)).to_have_text("One worker is alive")
        gone = page.get_by_role("row").filter(has_text="Gone").first
        await expect(gone).to_contain_text(re.compile("its lease expired .* ago; last heartbeat .* ago"))


async def test_it_can_be_read_without_javascript(site: Site) -> None:
    task_id = site.api.run("load", "endless")
    await asyncio.to_thread(wait_until, "the task runs", lambda: site.api.task(task_id)["status"] == "RUNNING")
    async with site.visited("/workers", java_script_enabled=False) as page:
        await page.get_by_role("link", name="load / endless").click()
        await expect(page).to_have_url(f"{site.address}/tasks/{task_id}")
        await page.get_by_role("button", name="Cancel").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    async with site.visited("/workers", color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)
        # What the columns would be called.
        release = page.locator("td[data-label=Release]").first
        await expect(release).to_be_visible()
        assert await release.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Release "'
