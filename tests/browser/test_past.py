"""A moment of the past in a browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.visiting import check_for_everybody

if TYPE_CHECKING:
    from tests.browser.visiting import Site


async def test_one_looks_back_and_comes_back(site: Site) -> None:
    task = site.api.ended(site.api.run("load", "quick"))
    then = datetime.fromisoformat(task["finished_at"]).replace(microsecond=0)
    site.api.ended(site.api.run("load", "broken"))
    async with site.visited("/timeline?period=1h") as page:
        await page.get_by_text("As of now").click()
        await page.get_by_label("A moment of the past").fill(f"{then:%Y-%m-%dT%H:%M:%S}")
        await page.get_by_role("button", name="Show").click()
        at = f"{site.address}/at/{then:%Y-%m-%dT%H:%M:%SZ}"
        await expect(page).to_have_url(f"{at}/timeline?period=1h")
        await page.get_by_role("link", name="Overview").click()
        await expect(page).to_have_url(f"{at}/")
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it was")
        await expect(page.get_by_role("button", name="Run now")).to_have_count(0)
        await page.get_by_role("link", name="-1 d").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it was")
        await page.get_by_role("link", name="Back to now").click()
        await expect(page).to_have_url(f"{site.address}/")
        await expect(page.get_by_role("button", name="Run now").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    site.api.ended(site.api.run("load", "broken"))
    at = f"/at/{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    async with site.visited(f"{at}/", color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)
