"""The page of a task in a browser: its story, its log, and what changed since it last worked."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import asyncpg
import pytest
from playwright.async_api import expect

from app.domain.task import uuid_in
from tests.acceptance.cluster import wait_until
from tests.browser.visiting import HOSTILE, check_for_everybody

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.acceptance.cluster import Cluster
    from tests.browser.visiting import Site


# As if another tab had come in front of it, or had gone.
HIDE, SHOW = (
    f"""
Object.defineProperty(document, "hidden", {{configurable: true, get: () => {is_hidden}}});
document.dispatchEvent(new Event("visibilitychange"));
"""
    for is_hidden in ("true", "false")
)
SWAPPED = "new Promise(done => document.addEventListener('htmx:after:swap', () => done(true), {once: true}))"
# The page has been renewed after its stream has ended.
ENDED = f"new Promise(done => stream.addEventListener('ended', () => {SWAPPED}.then(done)))"
LINES = """
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
SELECT $1, 1, n, syncline.clock(), 'info', 'line ' || n FROM generate_series($2::integer, $3::integer) AS n
"""


async def lines_of(page: Page) -> list[str]:
    return await page.get_by_role("log").locator("div span").all_inner_texts()


async def test_a_task_tells_its_story_and_shows_its_log(site: Site) -> None:
    task_id = site.api.run("load", "quick")
    site.api.ended(task_id)
    async with site.visited(f"/tasks/{task_id}") as page:
        await expect(page).to_have_title("load.quick succeeded · Syncline")
        story = await page.get_by_role("listitem").all_inner_texts()
        titles = [re.sub(r"^\S+\s+", "", each) for each in story]
        assert titles[0].startswith("Requested")
        assert "by admin" in titles[0]
        assert titles[1].startswith("Attempt 1 started")
        assert titles[-1] == "Succeeded"
        prefix = f"[{task_id}] "
        assert await lines_of(page) == [line["message"].removeprefix(prefix) for line in site.api.log(task_id)]
        await page.get_by_role("link", name="error", exact=True).click()
        assert await lines_of(page) == []
        await expect(page.get_by_text("No lines.")).to_be_visible()


async def test_lines_are_found_and_the_whole_log_is_downloaded(site: Site) -> None:
    task_id = site.api.run("load", "quick")
    site.api.ended(task_id)
    async with site.visited(f"/tasks/{task_id}") as page:
        await page.get_by_label("Find lines").fill("FINISHED")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("find=FINISHED"))
        [line] = await lines_of(page)
        assert "FINISHED" in line.upper()
        await page.get_by_label("Find lines").fill("nothing like this")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("No lines that have this.")).to_be_visible()
        async with page.expect_download() as started:
            await page.get_by_role("link", name="text", exact=True).click()
        download = await started.value
        text = (await download.path()).read_text()
        assert len(text.splitlines()) == len(site.api.log(task_id))
        assert "Running task..." in text


async def test_a_failed_task_says_why_and_leads_to_its_neighbours_and_to_the_next_run(site: Site) -> None:
    first, second = (site.api.ended(site.api.run("load", "broken"))["id"] for _ in range(2))
    async with site.visited(f"/tasks/{second}") as page:
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("made to fail with probability 1")
        await expect(alert).to_contain_text("data team")
        runbook = alert.get_by_role("link", name="Runbook")
        await expect(runbook).to_have_attribute("href", "https://wiki.example.com/broken")
        await expect(runbook).to_have_attribute("rel", "noopener noreferrer")
        await page.get_by_role("link", name="← before").click()
        await expect(page).to_have_url(f"{site.address}/tasks/{first}")
        await page.get_by_role("link", name="after →").click()
        await expect(page).to_have_url(f"{site.address}/tasks/{second}")
        await page.get_by_role("button", name="Run again").click()
        await expect(page.get_by_role("link", name="← before")).to_have_attribute("href", f"/tasks/{second}")


async def test_a_label_leads_to_all_that_have_it(site: Site) -> None:
    task_id = site.api.run("load", "broken")
    async with site.visited(f"/tasks/{task_id}") as page:
        await expect(page.get_by_text("what was sold, with a row for each receipt")).to_be_visible()
        await page.get_by_role("link", name="it's pii").click()
        await expect(page.get_by_role("rowheader")).to_have_text(["load / broken"])


async def test_a_running_task_is_followed_until_somebody_cancels_it(site: Site) -> None:
    task_id = site.api.run("load", "endless")
    async with site.visited(f"/tasks/{task_id}") as page:
        await expect(page.get_by_role("heading", level=1).locator("xpath=..")).to_contain_text("Running")
        await expect(page.get_by_role("listitem").filter(has_text="Attempt 1 started")).to_be_visible()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("listitem").last).to_contain_text("Canceled")
        await expect(page.get_by_role("button", name="Run again")).to_be_visible()


async def test_lines_come_as_they_are_written_and_each_once(site: Site) -> None:
    task_id = site.api.run("load", "endless")
    path = f"/tasks/{task_id}"
    async with site.visited(path, may_be_away=True) as page:
        shown = page.get_by_role("log").locator("div span")
        await expect(page.get_by_role("log")).to_contain_text("synthetic line 5 of 6000")
        # Nothing but the stream brings lines while the page cannot be renewed.
        await page.route(f"**{path}", lambda route: route.abort())
        await expect(page.get_by_role("log")).to_contain_text("synthetic line 30 of 6000")
        await page.unroute(f"**{path}")
        # Another event renews the page, and the stream goes on.
        site.api.ended(site.api.run("load", "quick"))
        await expect(page.get_by_role("log")).to_contain_text("synthetic line 60 of 6000")
        lines = [line for line in await shown.all_inner_texts() if "synthetic line" in line]
        assert lines == [f"synthetic line {number} of 6000" for number in range(1, len(lines) + 1)]
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("button", name="Run again")).to_be_visible()
        await expect(shown.last).to_contain_text("CANCELED")
        prefix = f"[{task_id}] "
        assert await lines_of(page) == [line["message"].removeprefix(prefix) for line in site.api.log(task_id)]


async def test_a_stream_that_is_refused_leaves_the_lines_to_renewals(site: Site) -> None:
    task_id = site.api.run("load", "endless")
    async with site.visited() as page:
        # An answer without content ends a stream for good, as an error does.
        await page.route("**/log.live?*", lambda route: route.fulfill(status=204))
        await page.goto(f"/tasks/{task_id}")
        log = page.get_by_role("log")
        await expect(log).to_contain_text("synthetic line 5 of 6000")
        site.api.ended(site.api.run("load", "quick"))
        await expect(log).to_contain_text("synthetic line 30 of 6000")
        async with page.expect_response(lambda answer: "/log.live?" in answer.url and answer.status == 200):
            await page.unroute("**/log.live?*")
        await expect(log).to_contain_text("synthetic line 80 of 6000")
        await page.get_by_role("button", name="Cancel").click()
        await expect(log).to_contain_text("CANCELED")
        prefix = f"[{task_id}] "
        assert await lines_of(page) == [line["message"].removeprefix(prefix) for line in site.api.log(task_id)]
        # The next task's page is followed in its turn.
        await page.get_by_role("button", name="Run again").click()
        await expect(log).to_contain_text("synthetic line 9 of 6000")
        lines = [line for line in await lines_of(page) if "synthetic line" in line]
        assert lines == [f"synthetic line {number} of 6000" for number in range(1, len(lines) + 1)]
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("button", name="Run again")).to_be_visible()


async def test_a_page_that_is_seen_again_is_renewed_before_it_is_followed(site: Site) -> None:
    task_id = site.api.run("load", "endless")
    async with site.visited(f"/tasks/{task_id}") as page:
        log = page.get_by_role("log")
        await expect(log).to_contain_text("synthetic line 5 of 6000")
        await page.evaluate(HIDE)
        wait_until("it has logged more", lambda: len(site.api.log(task_id)) > 40)
        async with page.expect_request("**/log.live?*") as requested:
            await page.evaluate(SHOW)
        after = re.search(r"after=1\.(\d+)$", (await requested.value).url)
        assert after is not None
        assert int(after[1]) >= 40
        await expect(log).to_contain_text("synthetic line 60 of 6000")
        lines = [line for line in await lines_of(page) if "synthetic line" in line]
        assert lines == [f"synthetic line {number} of 6000" for number in range(1, len(lines) + 1)]
        # Who has scrolled back finds what they read, and gets the rest at the end.
        await log.evaluate("log => { log.scrollTop = 0; }")
        await page.evaluate(HIDE)
        missed = len(site.api.log(task_id)) + 20
        wait_until("it has logged more", lambda: len(site.api.log(task_id)) > missed)
        renewed = asyncio.ensure_future(page.evaluate(SWAPPED))
        await page.evaluate(SHOW)
        await renewed
        assert f"synthetic line {missed - 5} of 6000" not in await lines_of(page)
        assert await log.evaluate("log => log.scrollTop") == 0
        async with page.expect_request("**/log.live?*"):
            await log.evaluate("log => { log.scrollTop = log.scrollHeight; }")
        await expect(log).to_contain_text(f"synthetic line {missed} of 6000")
        site.api.call("POST", f"/tasks/{task_id}/cancel")
        await expect(page.get_by_role("button", name="Run again")).to_be_visible()


async def test_who_has_scrolled_back_keeps_what_they_read_when_the_task_ends(site: Site, cluster: Cluster) -> None:
    # The task waits, and the test writes its log.
    assert site.api.call("POST", "/sources/pause", body={"source": "shop", "collection": "customers"}).is_success
    task_id = site.api.run("shop", "customers")
    async with site.visited(f"/tasks/{task_id}") as page:
        await expect(page.get_by_role("button", name="Cancel")).to_be_visible()
        database = await asyncpg.connect(cluster.environment["DATABASE_URL"])
        await database.execute(LINES, uuid_in(task_id), 1, 900)
        await database.close()
        await expect(page.get_by_role("log")).to_contain_text("line 900")
        log = page.get_by_role("log")
        await log.evaluate("log => { log.scrollTop = 1000; }")
        ended = asyncio.ensure_future(page.evaluate(ENDED))
        assert site.api.call("POST", f"/tasks/{task_id}/cancel").is_success
        await ended
        await expect(page.get_by_role("button", name="Run again")).to_be_visible()
        assert await log.evaluate("log => log.scrollTop") == 1000
        assert (await lines_of(page))[:900] == [f"line {number}" for number in range(1, 901)]


async def test_an_action_that_is_refused_ends_the_log_quietly(site: Site) -> None:
    task_id = site.api.run("load", "endless")
    async with site.visited(f"/tasks/{task_id}") as page:
        await expect(page.get_by_role("log")).to_contain_text("synthetic line 5 of 6000")
        await page.get_by_label("Note: why it is paused").evaluate("note => { note.value = 'x'.repeat(1001); }")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("alert")).to_contain_text("'note' must have")
        written = len(site.api.log(task_id))
        wait_until("it has logged more", lambda: len(site.api.log(task_id)) > written + 5)
        site.api.call("POST", f"/tasks/{task_id}/cancel")
        site.api.ended(task_id)


async def test_hostile_names_are_text_here_too(site: Site) -> None:
    task_id = site.api.run("load", HOSTILE)
    site.api.ended(task_id)
    async with site.visited(f"/tasks/{quote(task_id)}") as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"load / {HOSTILE}")


async def test_a_task_that_does_not_exist_is_told(site: Site) -> None:
    async with site.visited("/") as page:
        answer = await page.request.get("/tasks/load_quick_1")
        assert answer.status == 404
        assert "Task [load_quick_1] doesn&#39;t exist" in await answer.text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    task_id = site.api.run("load", "broken")
    site.api.ended(task_id)
    async with site.visited(f"/tasks/{task_id}", color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)
