"""The failures in a browser, by cause."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.acceptance.cluster import wait_until
from tests.browser.visiting import HOSTILE, check_for_everybody

if TYPE_CHECKING:
    from tests.browser.visiting import Site


async def test_failures_with_one_cause_are_one_and_all_are_run_again(site: Site) -> None:
    ids = [site.api.ended(site.api.run("load", name))["id"] for name in ("broken", HOSTILE, "broken")]
    async with site.visited("/failures") as page:
        cause = page.get_by_role("region", name="made to fail with probability #")
        await expect(cause).to_contain_text("Failing")
        await expect(page.get_by_role("heading", level=1)).to_have_text("1 cause needs attention")
        await expect(cause.get_by_role("listitem")).to_have_count(2)
        await expect(cause.get_by_role("link", name=f"load / {HOSTILE}")).to_be_visible()
        await cause.get_by_role("button", name="Run all 2 again").click()

        def failed_again() -> set[str]:
            tasks = site.api.call("GET", "/tasks/recent", source="load", status="failed").json()["tasks"]
            return {task["collection"] for task in tasks if task["id"] not in ids}

        await asyncio.to_thread(wait_until, "both have failed again", lambda: failed_again() == {"broken", HOSTILE})
        await expect(cause).to_contain_text(re.compile("[5-9] failures"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_stands_in_the_way_of_anybody(site: Site, scheme: Any) -> None:
    site.api.ended(site.api.run("load", "broken"))
    async with site.visited("/failures?since=24h", color_scheme=scheme, bypass_csp=True) as page:
        await check_for_everybody(page)
