"""Databases for tests: every test gets its own, on one server per session (per worker under xdist)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from app.config import settling
from app.execution import orphans
from tests.properties import SUITE_EXAMPLES
from tests.servers.postgres import (
    Server,
    TcpServer,
    create_database,
    database_name,
    drop_database,
    migrate,
    running_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


# It writes down what was seen working, if it is asked to.
pytest_plugins = ["tests.scenarios.recording"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--need-browser", action="store_true", help="fail the tests of the pages if there is no browser")
    parser.addoption("--screenshots", type=Path, metavar="DIR", help="take the screenshots of the documentation")


# The suite tries the same examples each time, and `thorough`, which `make fuzz` asks for, many others. No deadline: how
# long an example takes is a matter of the machine.
settings.register_profile(
    "suite",
    max_examples=SUITE_EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("suite"), max_examples=3000, derandomize=False)
settings.load_profile("suite")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first; otherwise the order stays random."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def _short_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two readings of a catalogue; tests in which something happens meanwhile say what."""
    monkeypatch.setattr(settling, "_MOMENT_SECONDS", 0)


@pytest.fixture(autouse=True)
def _keep_own_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in the test's own process must not take the servers of other tests for orphans."""
    monkeypatch.setattr(orphans, "adopt_orphans", lambda: False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server_url(postgres_server: Server) -> str:
    """The URL of a server on which the tests may do anything; its own database stays empty."""
    return postgres_server.url


@pytest.fixture(scope="session")
def tcp_postgres(postgres_server: Server) -> TcpServer:
    """The same server as host, port, user and password, for programs that cannot use its URL."""
    if postgres_server.tcp is None:
        pytest.skip("TEST_DATABASE_URL names a Unix socket")
    return postgres_server.tcp


@pytest.fixture(scope="session")
def packages_home(pytestconfig: pytest.Config) -> Path:
    """A data directory in which packages of sources are installed once, for all processes and for later sessions."""
    if pytestconfig.cache is None:
        pytest.skip("pytest's cache is off")
    return pytestconfig.cache.mkdir("packages")


@pytest.fixture
def empty_database_url(postgres_server_url: str) -> Iterator[str]:
    url = create_database(postgres_server_url)
    yield url
    drop_database(url, server_url=postgres_server_url)


@pytest.fixture
def database_url(postgres_server_url: str, migrated_template: str) -> Iterator[str]:
    """A database of the newest schema."""
    url = create_database(postgres_server_url, template=migrated_template)
    yield url
    drop_database(url, server_url=postgres_server_url)


@pytest.fixture(scope="module")
def module_database_url(postgres_server_url: str, migrated_template: str) -> Iterator[str]:
    """The same, which the tests of a module share."""
    url = create_database(postgres_server_url, template=migrated_template)
    yield url
    drop_database(url, server_url=postgres_server_url)


@pytest.fixture(scope="session")
def migrated_template(postgres_server_url: str) -> Iterator[str]:
    """The URL of a database with all migrations, to be copied; it takes no connections."""
    url = create_database(postgres_server_url)
    migrate(url)
    with psycopg.connect(postgres_server_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{database_name(url)}" ALLOW_CONNECTIONS false')
    yield url
    drop_database(url, server_url=postgres_server_url)
