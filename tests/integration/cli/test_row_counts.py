"""The rows of tables, as `syncline plan` asks destinations for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import duckdb
import psycopg
import yaml

from app.bootstrap.sources import rows_of
from app.config.reader import load_catalogue
from app.config.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_rows_are_counted_where_they_can_be_and_nothing_is_made(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_DATA_DIR", str(tmp_path / "data"))
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.orders AS SELECT generate_series(1, 1200) AS id")
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as lake:
        lake.execute("""CREATE TABLE "odd ""name" (id INTEGER)""")
    destinations = {
        "warehouse": {"type": "postgres", "url": empty_database_url, "schema": "public"},
        "lake": {"type": "duckdb", "path": str(tmp_path / "lake.duckdb")},
        "new": {"type": "duckdb", "path": str(tmp_path / "new.duckdb")},
        "away": {"type": "postgres", "url": "postgresql://me:very-secret@127.0.0.1:1/none", "schema": "public"},
        "nowhere": {"type": "none"},
    }
    catalogue = load_catalogue(yaml.safe_dump({"destinations": destinations}), {})
    tables = [
        ("warehouse", "orders"),
        ("warehouse", "missing"),
        ("lake", 'odd "name'),
        *((name, "orders") for name in ("new", "away", "nowhere", "unknown")),
    ]
    told: list[str] = []
    rows = asyncio.run(rows_of(read_settings(), catalogue, tables, tell=told.append))
    assert rows == {("warehouse", "orders"): 1200, ("lake", 'odd "name'): 0}
    assert not (tmp_path / "new.duckdb").exists()
    (line,) = told
    assert line.startswith("rows are not counted: destination 'away': ")
    assert "very-secret" not in line
