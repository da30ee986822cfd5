"""A real browser, and the pages of a real API beside a worker."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import async_playwright, expect

from tests.acceptance.cluster import Cluster
from tests.browser.visiting import CONFIG, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
# A container has no user namespaces, and whoever runs the tests no other use for a browser that calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# However busy the machine is.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser; `make test` installs one where it can."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is installed")
    return found


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def cluster(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A worker; the module's tests share it."""
    with Cluster(tmp_path_factory.mktemp("pages"), CONFIG, module_database_url) as cluster:
        cluster.worker()
        yield cluster


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Any:
    return cluster.api()


@pytest.fixture
def site(browser: Browser, served: Any) -> Site:
    return Site(browser, served)
