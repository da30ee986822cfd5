"""The events in a browser."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.visiting import HOSTILE, check_for_everybody, go_by_keys

if TYPE_CHECKING:
    from tests.browser.visiting import Site


async def test_what_happens_appears_and_what_is_open_stays_so(site: Site) -> None:
    site.api.ended(site.api.run("load", "quick"))
    async with site.visited("/events?q=quick") as page:
        first = page.get_by_role("row").nth(1)
        await first.locator("summary").click()
        shown = json.loads(await first.locator("pre").inner_text())
        assert shown["subject"] == "load/quick"
        await page.evaluate("window.stays = true")
        task_id = site.api.run("load", "quick")
        await expect(page.get_by_role("link", name=f"task {task_id[-12:]}").first).to_be_visible()
        assert await page.evaluate("window.stays")
        opened = page.locator("details[open]")
        await expect(opened).to_have_count(1)
        assert json.loads(await opened.locator("pre").inner_text()) == shown
        position = opened.locator(".copy")
        await position.click()
        assert await page.evaluate("getSelection().toString()") == shown["id"]


async def test_only_the_keyboard_is_needed(site: Site) -> None:
    site.api.ended(site.api.run("load", "broken"))
    async with site.visited() as page:
        await go_by_keys(page, "e")
        await expect(page).to_have_title("Events · Syncline")
        await page.wait_for_load_state()
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("type:task.failed broken")
        await expect(page).to_have_url(re.compile(r"q=type"))
        await expect(page.get_by_role("row").nth(1)).to_contain_text("Failed made to fail with probability 1")
        await expect(page.get_by_text("Requested")).to_have_count(0)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("details[open] pre")).to_contain_text("made to fail with probability 1")


async def test_it_can_be_read_without_javascript(site: Site) -> None:
    task_id = site.api.run("load", HOSTILE)
    site.api.ended(task_id)
    async with site.visited("/events", java_script_enabled=False) as page:
        await page.get_by_role("searchbox").fill("type:task.failed odd")
        await page.get_by_role("button", name="Filter").click()
        row = page.get_by_role("row").filter(has_text=task_id[-12:])
        await expect(row.get_by_role("link", name=f"load / {HOSTILE}")).to_be_visible()
        await row.locator("summary").click()
        assert json.loads(await row.locator("pre").inner_text())["data"]["collection"] == HOSTILE
        await row.get_by_role("link", name="everything as of then").click()
        await expect(page.get_by_role("status")).to_contain_text("You are looking at")
        await page.goto(page.url + "events?q=odd")
        await expect(page.get_by_role("row").nth(1)).to_contain_text("Failed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    for collection in ("broken", "quick"):
        site.api.ended(site.api.run("load", collection))
    async with site.visited("/events", color_scheme=scheme, bypass_csp=True) as page:
        await page.locator("summary").first.click()
        await check_for_everybody(page)
