"""How a source's sessions look from its server, and what a standby or an old snapshot means to a reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql  # type: ignore[import-untyped]
import pytest
from sqlalchemy.engine import make_url

from app.connectors.contract.passes import Rows
from app.connectors.making import make_source
from app.connectors.sources.sql import snapshot_age
from app.connectors.sources.sql.mysql import Mysql
from app.connectors.sources.sql.reflected import Reflected
from app.connectors.sources.sql.snapshot_age import SnapshotAge
from tests.connectors.attempts import Trial, sync_of
from tests.connectors.sources.sql.origins import Copying

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres
    from tests.connectors.sources.sql.origins import Origin

# Cancels the reading at row 12, as long as there is a conflict.
STANDBY = """
CREATE TABLE made (id INTEGER PRIMARY KEY, seq INTEGER, text TEXT);
CREATE INDEX ON made (seq);
INSERT INTO made SELECT n, n, 'row ' || n FROM generate_series(0, 19) n;
CREATE TABLE conflicts (state TEXT, message TEXT);
CREATE FUNCTION is_there(id integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
  SELECT * INTO found FROM conflicts;
  IF id = 12 AND found.state IS NOT NULL THEN
    RAISE EXCEPTION '%', found.message USING ERRCODE = found.state;
  END IF;
  RETURN true;
END $$;
"""


@pytest.fixture
def copying(postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> Copying:
    return Copying(postgres.url, tmp_path, {"first": duckdb.options()})


def test_the_server_shows_which_collection_a_session_reads(
    copying: Copying, postgres: Postgres, duckdb: Duckdb
) -> None:
    named: dict[str, Any] = {"query": "SELECT 1 AS id, current_setting('application_name') AS name"}
    assert copying.run(**named).finished.rows_written == 1
    assert duckdb.execute("SELECT name FROM loaded.made") == [("syncline origin.made",)]
    # What the user has chosen stays.
    copying.source_config["url"] = f"{postgres.url}&application_name=mine"
    assert copying.run(**named).finished.rows_written == 1
    assert duckdb.execute("SELECT name FROM loaded.made") == [("mine",)]


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("mysql+pymysql://h/d", {"program_name": "syncline s.c"}),
        ("mariadb+pymysql://h/d?program_name=mine", {}),
        ("mysql+mysqlconnector://h/d", {"conn_attrs": {"program_name": "syncline s.c"}}),
        ("mysql+mysqldb://h/d", {}),
    ],
)
def test_drivers_of_mysql_name_the_program(url: str, given: dict[str, Any]) -> None:
    assert Mysql().session_name(make_url(url), "syncline s.c") == given


def test_pymysql_tells_the_server_the_program() -> None:
    named = Mysql().session_name(make_url("mysql+pymysql://h/d"), "syncline s.c")
    assert pymysql.Connection(defer_connect=True, **named)._connect_attrs["program_name"] == "syncline s.c"


def test_other_drivers_of_postgresql_name_the_application() -> None:
    named = {"application_name": "syncline s.c"}
    assert Reflected().session_name(make_url("postgresql+psycopg2://h/d"), "syncline s.c") == named
    assert Reflected().session_name(make_url("oracle://h/d"), "syncline s.c") == {}


@pytest.mark.parametrize("type_", ["singer", "airbyte"])
def test_programs_learn_the_name_as_libpq_reads_it(tmp_path: Path, type_: str) -> None:
    command = ["/bin/sh", "-c", 'echo "named: $PGAPPNAME" >&2; exit 1']
    trial = Trial(tmp_path, {"nowhere": {"type": "none"}}, type_, {"command": command})
    assert "named: syncline source.made" in trial.run().lines


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("40001", "canceling statement due to conflict with recovery"),
        ("57P01", "terminating connection due to conflict with recovery"),
    ],
)
def test_after_a_standbys_recovery_conflict_the_next_attempt_goes_on_from_the_last_commit(
    copying: Copying, postgres: Postgres, duckdb: Duckdb, state: str, message: str
) -> None:
    postgres.execute(STANDBY)
    postgres.execute(f"INSERT INTO conflicts VALUES ('{state}', '{message}')")
    # Rows must come one after the other, as from a table that is too large to be sorted.
    copying.source_config |= {
        "chunk_rows": 3,
        "url": f"{postgres.url}&options=-c enable_sort=off -c enable_seqscan=off",
    }
    copying.commit_records = 3
    reading: dict[str, Any] = {"query": "SELECT * FROM made WHERE is_there(id)", "cursor_field": "seq", "key": "id"}
    canceled = copying.run(**reading)
    assert canceled.failed.error == (
        f"source 'origin', collection 'made': cannot read the query: {message} CONTEXT: PL/pgSQL function "
        "is_there(integer) line 6 at RAISE; the standby needed what this reading still saw. The next attempt goes on "
        "from the last commit; if this happens often, set 'hot_standby_feedback = on' or a longer "
        "'max_standby_streaming_delay' there"
    )
    assert canceled.failed.retryable
    committed = sum(each.rows for each in canceled.committed)
    assert 3 <= committed <= 12
    postgres.execute("TRUNCATE conflicts")
    retried = copying.run(again=1, **reading)
    assert retried.finished.records_read == 20 - committed + 1, "from the last committed row on"
    assert duckdb.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(20, 20)]


def test_an_old_snapshot_is_told_once() -> None:
    now = [0.0]
    lines: list[tuple[str, str]] = []
    age = SnapshotAge("nothing is vacuumed", log=lambda *line: lines.append(line), clock=lambda: now[0])
    harmless = SnapshotAge("", log=lambda *line: lines.append(line), clock=lambda: now[0])
    for seconds in (1799, 1800, 9000):
        now[0] = seconds
        age.look()
        harmless.look()
        assert len(lines) == (seconds >= 1800)
    [(level, line)] = lines
    assert level == "warn"
    assert line == (
        "this reading's snapshot of the source is older than 30 minutes: until it ends, nothing is vacuumed. Read less "
        "at once, with a 'cursor_field' or an 'interval', or read from a replica"
    )


@pytest.mark.parametrize("origin", ["postgres", "sqlite"], indirect=True)
def test_a_reading_looks_at_the_age_of_its_snapshot(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.execute("CREATE TABLE made (id INTEGER PRIMARY KEY)")
    origin.execute("INSERT INTO made VALUES (1)")
    monkeypatch.setattr(snapshot_age, "_OLD_SECONDS", 0.0)
    lines: list[str] = []
    job = sync_of(Copying(origin.url, tmp_path, {"nowhere": {"type": "none"}}).job())
    source = make_source(job, work_dir=tmp_path, log=lambda _, line: lines.append(line))
    items = list(source.read(None))
    source.close()
    assert sum(len(item.batch) for item in items if isinstance(item, Rows)) == 1
    warnings = [line for line in lines if "snapshot of the source is older" in line]
    harmed = [line for line in warnings if "until it ends, PostgreSQL can vacuum no row that was changed" in line]
    assert len(warnings) == len(harmed) == (not origin.url.startswith("sqlite"))
