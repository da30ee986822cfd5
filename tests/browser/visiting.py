"""Visits pages as people do, and notices whatever they should never see: errors of scripts, and requests to others."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.acceptance.cluster import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Route

    from tests.acceptance.cluster import Api

HOSTILE = "<b>odd <i> & שלום"
CONFIG = f"""
server: {{admin_token: {TOKEN}}}
sources:
  load:
    type: synthetic
    destinations: [nowhere]
    collections:
      - quick
      - {{name: slow, parameters: {{seconds: 3, records: 6000}}}}
      - {{name: endless, parameters: {{seconds: 600, log_lines: 6000}}}}
      - name: broken
        max_attempts: 1
        parameters: {{fail_rate: 1}}
        owner: data team
        labels: [gold, "it's pii"]
        description: what was sold, with a row for each receipt
        runbook: https://wiki.example.com/broken
      - {{name: "{HOSTILE}", max_attempts: 1, parameters: {{fail_rate: 1}}}}
  books: {{type: sql, destinations: [nowhere, lake], config: {{url: "sqlite:///BOOKS"}}, collections: [authors]}}
  shop: {{type: synthetic, destinations: [nowhere], schedule: "@daily", collections: [orders, customers]}}
destinations:
  nowhere: {{type: none}}
  lake: {{type: parquet, path: "BOOKS.lake"}}
"""
_AWAY = re.compile("net::ERR_|Failed to fetch|network error")
_AXE = Path(__file__).with_name("axe.min.js")
# Chromium advises to add a field for a user's name, which a token does not have.
_ADVICE = "[DOM] Password forms should have"
# A wrong token or a wrong date, which the page tells.
_REFUSED = tuple(f"Failed to load resource: the server responded with a status of {status}" for status in (400, 401))


@dataclass
class Site:
    """The pages of an API, for one browser."""

    browser: Browser
    api: Api

    @property
    def address(self) -> str:
        return self.api.address

    @asynccontextmanager
    async def visited(
        self, path: str = "/", *, token: str | None = TOKEN, may_be_away: bool = False, **options: Any
    ) -> AsyncIterator[Page]:
        """A page, seen by somebody who has logged in with the token; None: by nobody.

        At the end, no script may have failed, and no other host may have been asked. Requests may have failed only if
        the server `may_be_away`.
        """
        context = await self.browser.new_context(base_url=self.address, **options)
        try:
            wrong = await self._watch(context)
            page = await context.new_page()
            page.set_default_timeout(20_000)
            if token is not None:
                await log_in(page, token)
            await page.goto(path)
            yield page
            assert [each for each in wrong if not (may_be_away and _AWAY.search(each))] == []
        finally:
            await context.close()

    async def _watch(self, context: BrowserContext) -> list[str]:
        wrong: list[str] = []

        def note(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not message.text.startswith((_ADVICE, *_REFUSED)):
                wrong.append(message.text)

        async def check(route: Route) -> None:
            if route.request.url.startswith((f"{self.address}/", "data:")):
                await route.continue_()
            else:
                wrong.append(f"asked {route.request.url}")
                await route.abort()

        context.on("console", note)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        await context.route("**/*", check)
        return wrong


async def log_in(page: Page, token: str) -> None:
    await page.goto("/login")
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/")


async def check_for_everybody(page: Page) -> None:
    """Check that nothing of the page stands in anybody's way, and that it fits a small screen, which it has then."""
    assert await _violations(page) == []
    await page.set_viewport_size({"width": 320, "height": 700})
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


async def _violations(page: Page) -> list[str]:
    """What axe finds wrong with the page (https://github.com/dequelabs/axe-core). The context must bypass the CSP."""
    await page.evaluate(_AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def go_by_keys(page: Page, key: str) -> None:
    """Press g and a key, which lead to another page, once the script that listens for them has run."""
    await page.wait_for_load_state()
    await page.keyboard.press("g")
    await page.keyboard.press(key)
