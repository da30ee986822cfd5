"""A real tap from the package index, installed as a user's would be."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg

from tests.connectors.attempts import Attempt, Postgres, Told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.postgres import TcpServer

PACKAGE = "meltanolabs-tap-postgres==0.10.0"
TASKS = count(1)


def test_a_packaged_tap_is_installed_once_and_copies_only_what_is_new(
    tcp_postgres: TcpServer, postgres: Postgres, tmp_path: Path, packages_home: Path
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE weather (id bigint PRIMARY KEY, at timestamptz, celsius numeric, note text)")
        moment = "'2013-01-01Z'::timestamptz + n * '1h'::interval"
        connection.execute(
            f"INSERT INTO weather SELECT n, {moment}, n / 8.0 FROM generate_series(1, 100) AS n".encode()
        )
        database = connection.info.dbname
    job: dict[str, Any] = {
        "task_id": "source_weather",
        "attempt": 1,
        "source": "source",
        "source_type": "singer",
        "source_config": {
            "package": PACKAGE,
            "config": dict(tcp_postgres) | {"database": database, "filter_schemas": ["public"]},
        },
        "collection": {
            "name": "weather",
            "type": "weather",
            "table_name": "weather",
            "start_date": "2020-01-01",
            "sync_mode": "incremental",
            "cursor_field": "at",
        },
        "destinations": {
            "warehouse": postgres.options("loaded"),
            "file": {"type": "duckdb", "path": str(tmp_path / "warehouse.duckdb")},
        },
        "generation": 0,
        "data_dir": str(packages_home),
    }
    assert run(job).finished.rows_written == 200
    assert postgres.execute("SELECT count(*), sum(celsius) FROM loaded.weather") == postgres.execute(
        "SELECT count(*), sum(celsius) FROM weather"
    )
    postgres.execute("INSERT INTO weather VALUES (101, '2014-01-01Z', 1.5, 'new')")
    told = run(job)
    assert told.finished.rows_written == 2
    assert told.finished.records_read < 5
    assert not any("installing" in line for line in told.lines)
    assert run(job | {"mode": "check"}).finished
    wrong = job["source_config"]["config"] | {"password": "a wrong password"}
    failed = run(job | {"mode": "check", "source_config": job["source_config"] | {"config": wrong}}).failed
    assert "password authentication failed" in failed.error


def run(job: dict[str, Any]) -> Told:
    return Told.by(Attempt(job | {"task": f"0192f7c2-0000-7000-8000-{next(TASKS):012}"}))
