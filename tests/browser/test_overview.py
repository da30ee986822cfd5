"""The overview in a browser: what it shows, what it lets people do, and who may."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.acceptance.cluster import Api, wait_until
from tests.browser.visiting import HOSTILE, check_for_everybody
from tests.harness import until

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from tests.acceptance.cluster import Cluster
    from tests.browser.visiting import Site


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


async def test_who_has_not_logged_in_does_so_first_and_gets_where_they_wanted(site: Site) -> None:
    async with site.visited("/?q=source:shop", token=None) as page:
        await expect(page).to_have_title("Log in · Syncline")
        await page.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("syncline token create")
        await page.get_by_label("Token").fill("acceptance-token")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("rowheader")).to_have_count(2)
        assert page.url == f"{site.address}/?q=source:shop"
        [cookie] = await page.context.cookies()
        assert (cookie["name"][:9], cookie["httpOnly"], cookie["sameSite"]) == ("syncline-", True, "Strict")
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_title("Log in · Syncline")
        await page.goto("/")
        await expect(page).to_have_title("Log in · Syncline")


async def test_a_run_is_asked_for_and_seen_to_its_end_without_a_reload(site: Site) -> None:
    async with site.visited() as page:
        row = row_of(page, "load / slow")
        await page.evaluate("window.stays = true")
        await row.get_by_role("button", name="Run now load.slow").click()
        await expect(row).to_contain_text("Running")
        await expect(row).to_contain_text("rows read")
        await expect(row).to_contain_text("last success")
        await expect(row.get_by_role("img", name=re.compile("The last 1 runs"))).to_be_visible()
        assert await page.evaluate("window.stays")


async def test_what_fails_comes_first_and_says_why(site: Site) -> None:
    site.api.ended(site.api.run("load", "broken"))
    async with site.visited() as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("needs? attention$"))
        first = page.get_by_role("row").nth(1)
        await expect(first).to_contain_text("Failing")
        await expect(row_of(page, "load / broken")).to_contain_text("made to fail with probability 1")


async def test_only_the_keyboard_is_needed(site: Site) -> None:
    site.api.ended(site.api.run("load", "quick"))
    async with site.visited() as page:
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("source:load quick")
        await expect(page.get_by_role("rowheader")).to_have_count(1)
        assert "q=source" in page.url
        run = page.get_by_role("button", name="Run now load.quick")
        for _ in range(4):  # past what is done to all, and the links to it and to its last task
            await page.keyboard.press("Tab")
        await expect(run).to_be_focused()
        last_task = row_of(page, "load / quick").get_by_role("link").last
        before = await last_task.get_attribute("href")
        assert before is not None
        await page.keyboard.press("Enter")
        await expect(last_task).not_to_have_attribute("href", before)
        # What was looked for stays.
        await expect(page.get_by_role("searchbox")).to_have_value("source:load quick")
        await page.get_by_role("heading", level=1).click()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await page.keyboard.press("t")
        await page.keyboard.press("t")
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_a_filter_that_is_not_understood_is_told(site: Site) -> None:
    async with site.visited("/?q=sorce:load") as page:
        await expect(page.get_by_role("alert")).to_contain_text("unknown qualifier 'sorce'; did you mean 'source'?")


async def test_it_can_be_used_without_javascript(site: Site) -> None:
    async with site.visited("/?q=customers", java_script_enabled=False) as page:
        row = row_of(page, "shop / customers")
        await row.get_by_role("button", name="Run now shop.customers").click()
        assert page.url == f"{site.address}/?q=customers"
        site.api.ended(site.api.run("shop", "customers"))

        async def has_succeeded() -> bool:
            # How all collections are is read once a second.
            await page.reload()
            return "last success" in await row.inner_text()

        await until(has_succeeded)


async def test_a_pause_is_shown_and_ended(site: Site) -> None:
    body = {"source": "shop", "collection": "orders", "note": "month end"}
    assert site.api.call("POST", "/sources/pause", body=body).is_success
    async with site.visited("/?q=orders") as page:
        row = row_of(page, "shop / orders")
        await expect(row).to_contain_text("paused by admin")
        await expect(row).to_contain_text("month end")
        await row.get_by_role("button", name="Resume shop.orders").click()
        await expect(row.get_by_role("button", name="Run now shop.orders")).to_be_visible()


async def test_a_running_task_is_canceled(site: Site) -> None:
    site.api.run("load", "endless")
    async with site.visited("/?q=endless") as page:
        row = row_of(page, "load / endless")
        await expect(row).to_contain_text("Running")
        await row.get_by_role("button", name="Cancel load.endless").click()
        await expect(row).to_contain_text("Canceled")


async def test_names_are_only_text(site: Site) -> None:
    site.api.ended(site.api.run("load", HOSTILE))
    async with site.visited("/?q=odd") as page:
        row = row_of(page, f"load / {HOSTILE}")
        await expect(row).to_contain_text("Failing")
        assert (
            await page.locator("main i, main b").all_inner_texts()
            == await page.locator(".state i, .tile b").all_inner_texts()
        )
        await row.get_by_role("button").click()
        await expect(row).to_contain_text(re.compile("2 in a row"))


async def test_it_fits_a_small_screen(site: Site) -> None:
    async with site.visited(viewport={"width": 320, "height": 700}) as page:
        assert await page.evaluate("document.documentElement.scrollWidth") == 320
        await expect(page.get_by_role("button", name="Run now shop.customers")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/login", "/?q=nothing"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any, path: str) -> None:
    site.api.ended(site.api.run("load", "broken"))
    async with site.visited(path, color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)


async def test_a_page_survives_the_end_of_its_server(cluster: Cluster, site: Site) -> None:
    api = cluster.api()
    async with type(site)(site.browser, api).visited("/?q=quick", may_be_away=True) as page:
        api.process.stop()
        away = page.get_by_text("The connection is lost")
        await expect(away).to_be_visible()
        back = Api(cluster.start("api", "--port", api.address.rpartition(":")[2]), api.address)
        wait_until("the API is back", back.is_ready)
        await expect(away).to_be_hidden()
        site.api.ended(site.api.run("load", "quick"))
        await expect(row_of(page, "load / quick")).to_contain_text("last success")
        back.process.stop()


async def test_times_are_shown_as_they_are_here_and_in_utc(site: Site) -> None:
    async with site.visited("/?q=orders", timezone_id="America/Denver", locale="en-GB") as page:
        time = row_of(page, "shop / orders").locator("time")
        title = await time.get_attribute("title")
        assert title is not None
        utc, local = title.split("\n")
        assert utc == await time.get_attribute("datetime")
        assert re.search(r"\d\d:00:00 GMT-[67]$", local)
