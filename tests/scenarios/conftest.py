from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import redis

from app.connectors.programs.packages import PackageSet, installed_command
from tests.connectors.attempts import Duckdb, Postgres
from tests.connectors.destinations.parquet.lake import Lake
from tests.connectors.sources.sql.origins import DuckdbOrigin, SqliteOrigin
from tests.scenarios.landings import DltDuckdbLanding, DltFilesLanding, LakeLanding, Landing, WarehouseLanding
from tests.scenarios.local_api import RowsApi, rows_api
from tests.scenarios.sources import (
    TAP_POSTGRES,
    FilesSource,
    ManifestSource,
    PythonSource,
    RedisSource,
    RestSource,
    SingerSource,
    Source,
    SqlSource,
    SyntheticSource,
)
from tests.servers.redis import MISSING, PASSWORD, PROGRAM, running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SourceOf = Callable[[str], Source]
LandingOf = Callable[[str], Landing]


@pytest.fixture
def postgres(empty_database_url: str) -> Postgres:
    return Postgres(empty_database_url)


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if PROGRAM is None:
        pytest.skip(MISSING)
    with running_redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def redis_source(redis_socket: Path) -> Iterator[RedisSource]:
    with redis.Redis(unix_socket_path=str(redis_socket), password=PASSWORD) as client:
        yield RedisSource(client, f"unix://:{PASSWORD}@{redis_socket}")


@pytest.fixture
def api() -> Iterator[RowsApi]:
    with rows_api() as serving:
        yield serving


@pytest.fixture
def source_of(request: pytest.FixtureRequest, tmp_path: Path) -> SourceOf:
    """A source by its kind; with PostgreSQL it shares a database with the destination."""
    makers: dict[str, Callable[[], Source]] = {
        "singer": lambda: SingerSource(tmp_path),
        "sql (PostgreSQL)": lambda: SqlSource("sql (PostgreSQL)", request.getfixturevalue("postgres")),
        "sql (SQLite)": lambda: SqlSource("sql (SQLite)", SqliteOrigin(tmp_path / "origin.sqlite")),
        "sql (DuckDB)": lambda: SqlSource("sql (DuckDB)", DuckdbOrigin(tmp_path / "origin.duckdb")),
        "airbyte": lambda: ManifestSource(request.getfixturevalue("api")),
        "rest": lambda: RestSource(request.getfixturevalue("api")),
        "files": lambda: FilesSource(tmp_path),
        "python": lambda: PythonSource(tmp_path),
        "redis": lambda: request.getfixturevalue("redis_source"),
        "synthetic": SyntheticSource,
    }
    return lambda kind: makers[kind]()


@pytest.fixture
def landing_of(request: pytest.FixtureRequest, tmp_path: Path) -> LandingOf:
    makers: dict[str, Callable[[], Landing]] = {
        "postgres": lambda: WarehouseLanding("postgres", request.getfixturevalue("postgres")),
        "duckdb": lambda: WarehouseLanding("duckdb", Duckdb(tmp_path / "warehouse.duckdb")),
        "dlt:duckdb": lambda: DltDuckdbLanding("dlt:duckdb", Duckdb(tmp_path / "dlt.duckdb")),
        "dlt:filesystem": lambda: DltFilesLanding(tmp_path / "bucket"),
        "parquet": lambda: LakeLanding(Lake(tmp_path / "lake")),
    }
    return lambda kind: makers[kind]()


@pytest.fixture
def sdk_python(packages_home: Path) -> Path:
    """An interpreter that has Singer's SDK: the packaged tap brings it."""
    command = installed_command(
        PackageSet((TAP_POSTGRES,)), executable=None, data_dir=packages_home, log=lambda *_: None
    )
    return command.with_name("python")
