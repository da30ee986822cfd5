"""The screenshots of the documentation: `make screenshots` takes them anew, of pages with a history of six hours.

The database's clock is set back while schedules are taken up, and then put right: what was missed meanwhile is made up
for, which fills the timeline.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest

from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.browser.visiting import log_in

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.acceptance.cluster import Api

CONFIG: Final = f"""
server: {{admin_token: {TOKEN}}}
sources:
  shop:
    type: sql
    destinations: [warehouse]
    config: {{url: "sqlite:///SHOP"}}
    misfire: all
    max_attempts: 1
    owner: sales
    runbook: https://wiki.example.com/shop
    collections:
      - {{name: orders, schedule: "*/15 * * * *", cursor_field: id, description: One row for each order}}
      - {{name: customers, schedule: "*/30 * * * *"}}
      - {{name: refunds, schedule: "@hourly"}}
  crm:
    type: synthetic
    destinations: [warehouse]
    misfire: all
    max_attempts: 1
    collections:
      - {{name: contacts, schedule: "*/20 * * * *", parameters: {{records: 4200}}}}
      - {{name: deals, schedule: "@hourly", misfire: latest, parameters: {{records: 310}}}}
      - {{name: calls, schedule: "*/30 * * * *", misfire: skip, parameters: {{records: 90}}}}
      - {{name: archive, parameters: {{seconds: 3000, records: 600000}}}}
destinations:
  warehouse: {{type: duckdb, path: "WAREHOUSE"}}
"""
PAGES: Final = {
    "overview": "/",
    "timeline": "/timeline",
    "collection": "/collection?source=shop&collection=orders",
    "failures": "/failures",
}
LARGEST_BYTES: Final = 300_000


def make_shop(path: Path, *, orders: int) -> None:
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.execute("CREATE TABLE IF NOT EXISTS orders (id integer PRIMARY KEY, customer text, total numeric(10, 2))")
        shop.execute("CREATE TABLE IF NOT EXISTS customers (id integer PRIMARY KEY, name text, since date)")
        shop.executemany(
            "INSERT INTO orders (customer, total) VALUES (?, ?)",
            ((f"customer {n % 70}", n * 7 % 190) for n in range(orders)),
        )
        shop.executemany("INSERT INTO customers (name) VALUES (?)", ((f"customer {n}",) for n in range(70)))


async def set_clock(database_url: str, offset: str) -> None:
    """Of all connections from now on."""
    connection = await asyncpg.connect(database_url)
    try:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET syncline.clock_offset = '{offset}'")
    finally:
        await connection.close()


def is_quiet(api: Api) -> bool:
    """Whether all that was missed has been made up for; between two tasks, the next fire time has still passed."""
    sources = api.call("GET", "/sources").json()["sources"]
    found = [each for source in sources for each in source["collections"] if each.get("schedule")]
    now = datetime.now(UTC)
    return all(
        each.get("last_status") not in {None, "SCHEDULED", "RUNNING"}
        and datetime.fromisoformat(each["next_fire_at"]) > now
        for each in found
    )


@pytest.mark.timeout(600)
async def test_screenshots_are_taken(
    browser: Browser, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    directory: Path | None = request.config.getoption("screenshots")
    if directory is None:
        pytest.skip("only 'make screenshots' takes them")
    shop = tmp_path / "shop.db"
    make_shop(shop, orders=1200)
    config = CONFIG.replace("SHOP", str(shop)).replace("WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    await set_clock(database_url, "-6 hours")
    with Cluster(tmp_path, config, database_url) as cluster:
        first = cluster.worker()
        api = cluster.api()
        await asyncio.to_thread(wait_until, "schedules are taken up", lambda: has_schedules(api))
        await asyncio.to_thread(first.stop)
        await asyncio.to_thread(cluster.processes[-1].stop)
        await set_clock(database_url, "0")
        cluster.worker()
        api = cluster.api()
        for _ in range(3):
            make_shop(shop, orders=90)
            api.ended(api.run("shop", "orders"))
        api.run("crm", "archive")
        # What it has missed is skipped, and its next fire time may be half an hour away.
        api.run("crm", "calls")
        await asyncio.to_thread(wait_until, "all is made up for", lambda: is_quiet(api), seconds=300)
        with closing(sqlite3.connect(shop)) as database, database:
            database.execute("DROP TABLE customers")
        failed = api.ended(api.run("shop", "customers"))["id"]
        api.call(
            "POST", "/sources/pause", body={"source": "crm", "collection": "calls", "note": "until the audit is over"}
        )
        for scheme in ("light", "dark"):
            await take_all(browser, api.address, PAGES | {"task": f"/tasks/{failed}"}, scheme, directory)


def has_schedules(api: Api) -> bool:
    sources = api.call("GET", "/sources").json()["sources"]
    return all("next_fire_at" in each for source in sources for each in source["collections"] if each.get("schedule"))


async def take_all(browser: Browser, address: str, pages: dict[str, str], scheme: Any, directory: Path) -> None:
    context = await browser.new_context(
        base_url=address,
        color_scheme=scheme,
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
        timezone_id="UTC",
    )
    page = await context.new_page()
    await log_in(page, TOKEN)
    for name, path in pages.items():
        await page.goto(path)
        await page.evaluate("document.fonts.ready")
        image = await page.screenshot(path=directory / f"{name}-{scheme}.png", animations="disabled")
        assert len(image) < LARGEST_BYTES
    await context.close()
