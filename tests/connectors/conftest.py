from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.programs.packages import PackageSet, installed_command
from tests.connectors.attempts import Duckdb, Postgres, Scene, Warehouse
from tests.connectors.sources.sql.origins import DuckdbOrigin, Origin, SqliteOrigin

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def postgres(empty_database_url: str) -> Postgres:
    return Postgres(empty_database_url)


@pytest.fixture
def duckdb(tmp_path: Path) -> Duckdb:
    return Duckdb(tmp_path / "warehouse.duckdb")


@pytest.fixture(params=["postgres", "duckdb"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    found: Any = request.getfixturevalue(request.param)
    warehouse: Warehouse = found
    return warehouse


@pytest.fixture
def origin(request: pytest.FixtureRequest, tmp_path: Path, empty_database_url: str) -> Origin:
    """The kind is the fixture's parameter; a PostgreSQL origin and the warehouse share a database."""
    if request.param == "postgres":
        return Postgres(empty_database_url)
    return (SqliteOrigin if request.param == "sqlite" else DuckdbOrigin)(tmp_path / "origin")


@pytest.fixture(scope="session")
def installed(packages_home: Path) -> Path:
    """The home of packages, with `tap-postgres` and the Singer SDK in it."""
    installed_command(
        PackageSet(("meltanolabs-tap-postgres==0.10.0",)), executable=None, data_dir=packages_home, log=lambda *_: None
    )
    return packages_home


@pytest.fixture
def scene(tmp_path: Path, warehouse: Warehouse) -> Scene:
    return Scene(tmp_path, {"warehouse": warehouse.options()})
