"""What the demo synchronises: the tables as their README counts them, and weather that arrives week by week."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.deploy_files import demo_source

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 13_002
ALL = 26_115
WEEKS = 27  # from 2013-07-01 to 2013-12-30


@pytest.fixture
def database(postgres_server_url: str) -> Iterator[str]:
    name = f"demo_{uuid.uuid4().hex}"
    yield name
    with psycopg.connect(postgres_server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_the_first_start_loads_half_a_year_and_later_ones_a_week_each(postgres_server_url: str, database: str) -> None:
    first = demo_source.load(postgres_server_url, database=database)
    assert first.endswith("loaded airlines, airports, planes and 13002 rows of weather, up to 2013-06-30")
    assert counts(postgres_server_url, database) == (16, 1458, 3322, FIRST)

    second = demo_source.load(postgres_server_url, database=database)
    assert second.endswith("502 new rows of weather, up to 2013-07-07")
    assert counts(postgres_server_url, database) == (16, 1458, 3322, FIRST + 502)


def test_arriving_rows_are_never_behind_those_that_were_there(postgres_server_url: str, database: str) -> None:
    demo_source.load(postgres_server_url, database=database)
    with psycopg.connect(postgres_server_url, dbname=database) as connection:
        connection.execute("CREATE TABLE seen AS SELECT max(time_hour) AS newest FROM weather")
    demo_source.load(postgres_server_url, database=database)
    with psycopg.connect(postgres_server_url, dbname=database) as connection:
        behind = connection.execute("SELECT count(*) FROM weather, seen WHERE time_hour <= newest").fetchone()
    assert behind == (FIRST,)


def test_starts_at_the_same_time_come_one_after_the_other(postgres_server_url: str, database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(lambda _: demo_source.load(postgres_server_url, database=database), range(4)))
    assert [sentence.rpartition("up to ")[2] for sentence in said] == [
        "2013-07-07",
        "2013-07-14",
        "2013-07-21",
        "2013-06-30",
    ]


def test_when_all_weather_is_there_nothing_changes_and_it_says_so(postgres_server_url: str, database: str) -> None:
    for _ in range(1 + WEEKS):
        demo_source.load(postgres_server_url, database=database)
    assert counts(postgres_server_url, database)[-1] == ALL
    said = demo_source.load(postgres_server_url, database=database)
    assert said.endswith("all 26115 rows of weather are there, nothing new can arrive")
    assert counts(postgres_server_url, database)[-1] == ALL


def test_what_the_files_call_na_is_null(postgres_server_url: str, database: str) -> None:
    demo_source.load(postgres_server_url, database=database)
    with psycopg.connect(postgres_server_url, dbname=database) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM planes WHERE year IS NULL), "
            "(SELECT count(*) FROM airports WHERE tzone IS NULL)"
        ).fetchone()
    assert row == (70, 3)


def counts(server_url: str, database: str) -> tuple[int, ...]:
    with psycopg.connect(server_url, dbname=database) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM airlines), (SELECT count(*) FROM airports), (SELECT count(*) FROM planes), "
            "(SELECT count(*) FROM weather)"
        ).fetchone()
    assert row is not None
    return row
