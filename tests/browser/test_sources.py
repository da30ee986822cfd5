"""The sources of the catalogue in a browser: testing them, and choosing from what they offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.visiting import check_for_everybody

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.visiting import Site


async def discovered(page: Page) -> None:
    await page.get_by_role("button", name="Discover books").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("books offers 32", timeout=60_000)
    # Its scripts run once all of it is there.
    await page.wait_for_load_state()


async def test_a_source_is_tested_with_its_destinations(site: Site) -> None:
    async with site.visited("/sources") as page:
        await page.get_by_role("button", name="Test books").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Everything works", timeout=60_000)
        await expect(page.get_by_role("rowheader")).to_have_text(
            ["source books", "destination nowhere", "destination lake"]
        )
        await page.get_by_role("link", name="Back to the sources").click()
        await page.get_by_role("link", name="books").click()
        await expect(page.get_by_role("rowheader")).to_have_text(["books / authors"])


async def test_tables_are_found_and_chosen_and_their_entries_can_be_pasted(site: Site) -> None:
    async with site.visited("/sources") as page:
        await discovered(page)
        await page.keyboard.press("/")
        await page.keyboard.type("price prices_2")
        await expect(page.get_by_role("heading", level=1)).to_have_text("books offers 11 of 32")
        await page.get_by_label("Choose all that are shown").check()
        await expect(page.get_by_text("11 chosen")).to_be_visible()
        await page.get_by_role("searchbox").fill("isbn")
        await page.get_by_label("Choose <i>odd</i>").check()
        await expect(page.get_by_text("12 chosen")).to_be_visible()
        yaml = page.locator("#yaml")
        await expect(yaml).to_contain_text("    collections:\n")
        await expect(yaml).to_contain_text('- name: prices_2\n        primary_key: ["id"]')
        await expect(yaml).to_contain_text("# cursor_field: id")
        await expect(yaml).to_contain_text("type: <i>odd</i>")
        await expect(yaml).not_to_contain_text("authors")


async def test_a_range_is_chosen_with_shift(site: Site) -> None:
    async with site.visited("/sources") as page:
        await discovered(page)
        boxes = page.get_by_role("table").get_by_role("checkbox")
        await boxes.nth(2).click()
        await boxes.nth(6).click(modifiers=["Shift"])
        await expect(page.get_by_text("5 chosen")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    async with site.visited("/sources", color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)
        await page.set_viewport_size({"width": 1280, "height": 700})
        await discovered(page)
        await check_for_everybody(page)


async def test_without_scripts_everything_can_be_read(site: Site) -> None:
    async with site.visited("/sources", java_script_enabled=False) as page:
        await discovered(page)
        await page.get_by_role("row").filter(has_text="<i>odd</i>").locator("summary").click()
        await expect(page.get_by_role("listitem").filter(has_text="isbn")).to_have_text("isbn text → text")
        await expect(page.get_by_text("nowhere has no types of columns.")).to_be_visible()
