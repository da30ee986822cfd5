"""The page of a collection in a browser: its runs and rows, its schedule, and loading it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import expect

from tests.browser.visiting import HOSTILE, check_for_everybody

if TYPE_CHECKING:
    from tests.browser.visiting import Site


def path_of(source: str, collection: str) -> str:
    return f"/collection?{urlencode({'source': source, 'collection': collection})}"


async def test_a_collection_shows_its_runs_and_leads_to_each(site: Site) -> None:
    task_id = site.api.ended(site.api.run("load", "quick"))["id"]
    async with site.visited("/?q=collection:quick") as page:
        await page.get_by_role("link", name="load / quick").click()
        await expect(page).to_have_title("load.quick · Syncline")
        await page.get_by_role("table").get_by_role("link", name="Succeeded").first.click()
        await expect(page).to_have_url(f"{site.address}/tasks/{task_id}")
        await page.get_by_role("heading", level=1).get_by_role("link").click()
        await expect(page).to_have_url(f"{site.address}{path_of('load', 'quick')}")


async def test_it_says_when_it_runs_next(site: Site) -> None:
    async with site.visited(path_of("shop", "orders")) as page:
        schedule = page.get_by_role("region", name="Schedule")
        await expect(schedule).to_contain_text("At 00:00")
        await expect(schedule.get_by_role("listitem")).to_have_count(5)


async def test_it_is_paused_resumed_and_reset_with_a_note_and_tells_so(site: Site) -> None:
    async with site.visited(path_of("shop", "customers")) as page:
        await page.get_by_label("Note: why it is paused").fill("stocktaking")
        await page.get_by_role("button", name="Pause").click()
        events = page.get_by_role("region", name="Other events")
        await expect(events.get_by_role("listitem").first).to_contain_text("by admin: stocktaking")
        await page.get_by_role("button", name="Resume").click()
        await expect(events.get_by_role("listitem").first).to_contain_text("Resumed")
        await page.get_by_text("Reset…").click()
        again = page.get_by_role("region", name="Load again")
        await expect(again).to_contain_text("the next task loads everything again")
        await again.get_by_label("Why?").last.fill("wrong prices")
        await page.get_by_role("button", name="Reset customers").click()
        await expect(events.get_by_role("listitem").first).to_contain_text("by admin: wrong prices")


async def test_an_interval_is_loaded_again(site: Site) -> None:
    async with site.visited(path_of("load", "quick")) as page:
        await page.get_by_text("Backfill an interval…").click()
        await page.get_by_label("From").fill("2024-01-01")
        await page.get_by_label("To, not included").fill("2023-01-01")
        await page.get_by_role("button", name="Backfill").click()
        await expect(page.get_by_role("alert")).to_contain_text("must be after the start")
        await page.goto(path_of("load", "quick"))
        await page.get_by_text("Backfill an interval…").click()
        await page.get_by_label("From").fill("2023-01-01")
        await page.get_by_label("To, not included").fill("2024-01-01")
        await page.get_by_role("button", name="Backfill").click()
        runs = page.get_by_role("region", name="Runs")
        await expect(runs).to_contain_text("2023-01-01T00:00:00Z to 2024-01-01T00:00:00Z")


async def test_without_scripts_everything_is_there(site: Site) -> None:
    async with site.visited(path_of("load", HOSTILE), java_script_enabled=False) as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"load / {HOSTILE}")
        await page.get_by_role("button", name="Run now").click()
        await expect(page.get_by_role("region", name="Runs").get_by_role("row")).not_to_have_count(1)


async def test_one_that_nobody_knows_is_told(site: Site) -> None:
    async with site.visited("/") as page:
        answer = await page.request.get(path_of("load", "qick"))
        assert answer.status == 404
        assert "qick" in await answer.text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    site.api.ended(site.api.run("load", "broken"))
    async with site.visited(path_of("load", "broken"), color_scheme=scheme, bypass_csp=True) as page:
        for details in await page.locator("details").all():
            await details.evaluate("each => { each.open = true }")
        await check_for_everybody(page)
