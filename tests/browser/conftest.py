"""A real browser, and the pages of a real API beside a worker."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import async_playwright, expect

from tests.acceptance.cluster import Cluster
from tests.browser.visiting import CONFIG, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

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
def chromium(pytestconfig: pytest.Config) -> str:
    """The path of the browser; `make test` installs one where it can."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        give_up = pytest.fail if pytestconfig.getoption("--need-browser") else pytest.skip
        give_up(f"there is no browser: none of {', '.join(NAMES)} is installed")
    return found


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


def make_books(directory: Path) -> Path:
    """A database with more tables than one wants to read."""
    path = directory / "books.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE authors (id integer PRIMARY KEY, name text)")
        database.execute('CREATE TABLE "<i>odd</i>" (id integer PRIMARY KEY, isbn text)')
        for number in range(30):
            database.execute(
                f"CREATE TABLE prices_{number} (id integer PRIMARY KEY, price numeric, changed_at timestamp)"
            )
    return path


@pytest.fixture(scope="module")
def cluster(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A worker; the module's tests share it."""
    directory = tmp_path_factory.mktemp("pages")
    books = make_books(directory)
    with Cluster(directory, CONFIG.replace("BOOKS", str(books)), module_database_url) as cluster:
        cluster.worker()
        yield cluster


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Any:
    return cluster.api()


@pytest.fixture
def site(browser: Browser, served: Any) -> Site:
    return Site(browser, served)
