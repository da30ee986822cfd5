"""The timeline in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.visiting import check_for_everybody, go_by_keys

if TYPE_CHECKING:
    from tests.browser.visiting import Site


async def test_it_shows_what_is_to_come_and_leads_to_other_periods(site: Site) -> None:
    async with site.visited("/timeline?q=orders") as page:
        await page.get_by_role("link", name="7d").click()
        await expect(page.get_by_role("rowheader")).to_have_text(["shop / orders"])
        # Once a day: what is to come of a week is shown in days of the calendar.
        await expect(page.get_by_role("cell", name="to come, in").first).to_be_visible()
        assert "period=7d" in page.url
        await expect(page.get_by_role("searchbox")).to_have_value("orders")
        await go_by_keys(page, "o")
        await expect(page.get_by_role("heading", level=1)).not_to_have_text("Timeline")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    async with site.visited("/timeline?period=30d", color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)
