"""The ways that data most often goes, tried without a network: each dies at every point of its commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.connectors.attempts import Duckdb, Trial
from tests.scenarios.landings import WarehouseLanding
from tests.scenarios.lives import AFTER, BEFORE, EVERY_POINT, INSIDE, SEALED, Deaths, Life
from tests.scenarios.recording import plans, shows
from tests.scenarios.sources import SOURCE_FAKER, PackagedTapSource, SdkTapSource, Source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.connectors.attempts import Postgres
    from tests.scenarios.conftest import LandingOf, SourceOf
    from tests.servers.postgres import TcpServer


@pytest.fixture
def lives(request: pytest.FixtureRequest, landing_of: LandingOf, tmp_path: Path) -> Lives:
    return Lives(request.node, landing_of, tmp_path)


USERS = 40


def faker_job() -> dict[str, Any]:
    """Made-up users."""
    stream = {
        "name": "users",
        "json_schema": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["updated_at"],
        "source_defined_primary_key": [["id"]],
    }
    return {
        "source_type": "airbyte",
        "source_config": {
            "package": SOURCE_FAKER,
            "catalog": {"streams": [stream]},
            "config": {"count": USERS, "seed": 1, "always_updated": False, "parallelism": 1},
        },
        "collection": {"type": "users"},
    }


class Lives:
    """Lives that are written down when they are over."""

    def __init__(self, node: pytest.Item, landing_of: LandingOf, directory: Path) -> None:
        self._node = node
        self._landing_of = landing_of
        self._directory = directory

    def run(
        self,
        source: Source,
        destinations: Sequence[str],
        *,
        first: Sequence[str],
        later: Sequence[str],
        mode: str = "upsert",
        data_dir: Path | None = None,
    ) -> None:
        plans(self._node, source.kind, destinations, mode)
        life = Life(source, [self._landing_of(each) for each in destinations], mode, self._directory)
        life.trial.data_dir = data_dir
        life.runs(first, later)
        for destination, killed in zip(destinations, life.deaths.killed, strict=True):
            shows(self._node, source.kind, destination, mode, killed=killed)


def test_a_table_of_postgres_into_postgres_what_is_new_by_key(lives: Lives, source_of: SourceOf) -> None:
    lives.run(source_of("sql (PostgreSQL)"), ["postgres"], first=EVERY_POINT, later=(BEFORE, INSIDE, AFTER))


def test_a_table_of_postgres_into_duckdb(lives: Lives, source_of: SourceOf) -> None:
    lives.run(source_of("sql (PostgreSQL)"), ["duckdb"], first=(BEFORE, INSIDE, AFTER), later=(BEFORE, SEALED, AFTER))


def test_an_api_with_pages_into_duckdb_by_key(lives: Lives, source_of: SourceOf) -> None:
    lives.run(source_of("rest"), ["duckdb"], first=[INSIDE, AFTER], later=[BEFORE])


@pytest.mark.long
def test_a_declarative_manifest_into_files(lives: Lives, source_of: SourceOf, packages_home: Path) -> None:
    lives.run(
        source_of("airbyte"), ["parquet"], mode="append", first=[BEFORE], later=[INSIDE, AFTER], data_dir=packages_home
    )


@pytest.mark.long
def test_a_packaged_tap_into_postgres_with_a_bookmark(
    lives: Lives, postgres: Postgres, tcp_postgres: TcpServer, packages_home: Path
) -> None:
    with psycopg.connect(postgres.url) as connection:
        config = dict(tcp_postgres) | {"database": connection.info.dbname}
    source = PackagedTapSource("singer", postgres, config=config)
    lives.run(source, ["postgres"], first=[INSIDE, AFTER], later=[BEFORE], data_dir=packages_home)


def test_a_tap_made_with_the_sdk_into_postgres_with_a_bookmark(lives: Lives, tmp_path: Path, sdk_python: Path) -> None:
    lives.run(SdkTapSource(tmp_path, sdk_python), ["postgres"], first=[BEFORE], later=[INSIDE, AFTER])


@pytest.mark.long
def test_a_connector_of_airbyte_into_two_warehouses_at_once(
    postgres: Postgres, tmp_path: Path, packages_home: Path, request: pytest.FixtureRequest
) -> None:
    plans(request.node, "airbyte", ["duckdb", "postgres"], "upsert")
    first = WarehouseLanding("duckdb", Duckdb(tmp_path / "warehouse.duckdb"), text="name")
    second = WarehouseLanding("postgres", postgres, text="name")
    trial = Trial(tmp_path, {each.kind: each.options() for each in (first, second)}, **faker_job())
    trial.data_dir = packages_home
    deaths, full = Deaths(2), list[int]()
    for again, point in enumerate([BEFORE, f"{INSIDE}@2", AFTER]):
        trial.die(point, again=again)
        full += deaths.note(point, [number for number in range(2) if number not in full])
        assert [number for number, each in enumerate((first, second)) if each.rows()] == full, point
    assert full == [0, 1]
    assert trial.run(again=3).finished.records_read == 0, "both had everything before the last kill"
    assert first.rows() == second.rows()
    assert [id_ for id_, _ in first.rows()] == list(range(1, USERS + 1))
    told = trial.run()
    assert (told.finished.records_read, told.finished.rows_written) == (0, 0)
    for landing, killed in zip((first, second), deaths.killed, strict=True):
        shows(request.node, "airbyte", landing.kind, "upsert", killed=killed)
