from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.connectors.attempts import Duckdb, Postgres, Scene, Warehouse

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
def scene(tmp_path: Path, warehouse: Warehouse) -> Scene:
    return Scene(tmp_path, {"warehouse": warehouse.options()})
