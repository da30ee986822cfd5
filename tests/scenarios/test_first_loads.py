"""Collections that are loaded for the first time, all at once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import psycopg

from tests.connectors.attempts import Duckdb, Postgres, Told, Trial, Warehouse
from tests.scenarios.landings import WarehouseLanding
from tests.scenarios.lives import Life
from tests.scenarios.rows import FIRST
from tests.scenarios.sources import PythonSource

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a", "b", "c", "d")
LOCK = "hashtextextended('syncline:loaded', 0)"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"


def test_four_collections_make_one_new_schema_and_one_new_file_together(postgres: Postgres, tmp_path: Path) -> None:
    source = PythonSource(tmp_path)
    source.put(FIRST)
    warehouses: list[Warehouse] = [postgres, Duckdb(tmp_path / "warehouse.duckdb")]
    life = Life(source, [WarehouseLanding("warehouse", each) for each in warehouses], "upsert", tmp_path)
    with psycopg.connect(postgres.url) as gate:
        gate.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())
        attempts = [trial_of(life, name, number).start() for number, name in enumerate(NAMES)]
        while postgres.execute(WAITING) != [(len(NAMES),)]:
            assert all(attempt.is_alive for attempt in attempts)
    for attempt in attempts:
        assert Told.by(attempt).finished.rows_written == 2 * len(FIRST)
    for warehouse in warehouses:
        for name in NAMES:
            found = warehouse.execute(f"SELECT count(*), count(DISTINCT id) FROM loaded.{name}")
            assert found == [(len(FIRST), len(FIRST))]


def trial_of(life: Life, name: str, tasks: int) -> Trial:
    """As a collection of its own; a task has one collection."""
    collection = life.trial.collection | {"name": name, "table_name": name}
    return dataclasses.replace(life.trial, collection=collection, tasks=tasks)
