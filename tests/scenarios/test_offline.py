"""The ways that data most often goes, tried without a network: each dies at every point of its commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.scenarios.lives import AFTER, BEFORE, EVERY_POINT, INSIDE, SEALED, Life
from tests.scenarios.recording import plans, shows
from tests.scenarios.sources import PackagedTapSource, SdkTapSource, Source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.database import TcpServer
    from tests.integration.connectors.attempts import Postgres
    from tests.scenarios.conftest import LandingOf, SourceOf


@pytest.fixture
def lives(request: pytest.FixtureRequest, landing_of: LandingOf, tmp_path: Path) -> Lives:
    return Lives(request.node, landing_of, tmp_path)


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
        data_dir: Path | None = None,
    ) -> None:
        plans(self._node, source.kind, destinations, "upsert")
        life = Life(source, [self._landing_of(each) for each in destinations], "upsert", self._directory)
        life.trial.data_dir = data_dir
        life.runs(first, later)
        for destination, killed in zip(destinations, life.killed, strict=True):
            shows(self._node, source.kind, destination, "upsert", killed=killed)


def test_a_table_of_postgres_into_postgres_what_is_new_by_key(lives: Lives, source_of: SourceOf) -> None:
    lives.run(source_of("sql (PostgreSQL)"), ["postgres"], first=EVERY_POINT, later=(BEFORE, INSIDE, AFTER))


def test_a_table_of_postgres_into_duckdb(lives: Lives, source_of: SourceOf) -> None:
    lives.run(source_of("sql (PostgreSQL)"), ["duckdb"], first=(BEFORE, INSIDE, AFTER), later=(BEFORE, SEALED, AFTER))


def test_a_packaged_tap_into_postgres_with_a_bookmark(
    lives: Lives, postgres: Postgres, tcp_postgres: TcpServer, packages_home: Path
) -> None:
    with psycopg.connect(postgres.url) as connection:
        config = dict(tcp_postgres) | {"database": connection.info.dbname}
    source = PackagedTapSource("singer", postgres, config=config)
    lives.run(source, ["postgres"], first=[INSIDE, AFTER], later=[BEFORE], data_dir=packages_home)


def test_a_tap_made_with_the_sdk_into_postgres_with_a_bookmark(lives: Lives, tmp_path: Path, sdk_python: Path) -> None:
    lives.run(SdkTapSource(tmp_path, sdk_python), ["postgres"], first=[BEFORE], later=[INSIDE, AFTER])
