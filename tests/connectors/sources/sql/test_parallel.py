"""Tables of PostgreSQL that several connections read: the same values, one snapshot, and first loads that go on."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Table
from app.connectors.making import make_source
from app.connectors.sources.sql import postgres_parts
from app.connectors.sources.sql.options import SqlOptions
from app.connectors.sources.sql.parts import Part
from app.connectors.sources.sql.read_ahead import ReadAhead
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import SynclineError
from tests.connectors.attempts import Attempt, Postgres, commit_each
from tests.connectors.sources.sql.origins import Copying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Item
    from tests.connectors.attempts import Warehouse

WITH_KEY = "id bigint PRIMARY KEY, text text NOT NULL"


@pytest.fixture
def origin(empty_database_url: str) -> Postgres:
    return Postgres(empty_database_url)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page is a part; a fork of this process has the same."""
    monkeypatch.setattr(postgres_parts, "PAGES_OF_A_PART", 0)


def make(origin: Postgres, rows: int, columns: str = WITH_KEY) -> None:
    origin.execute(f"CREATE TABLE made ({columns})")
    last = f"""CASE WHEN n = {rows} THEN '{{"a": 1, "a": 2}}' ELSE '"' || repeat('x', 500) || '"' END::json"""
    value = last if "json" in columns else "repeat('x', 500) || n"
    origin.execute(f"INSERT INTO made SELECT n, {value} FROM generate_series(1, {rows}) AS n")
    origin.execute("ANALYZE made")


class Reading:
    """One reading of the table, with the lines of its log."""

    def __init__(self, origin: Postgres, directory: Path, *, parallel: int = 2, first_load: bool = True) -> None:
        self.lines: list[str] = []
        self.job = SourceJob(
            source="shop", source_type="sql", data_dir=str(directory), first_load=first_load,
            source_config={"url": origin.url, "read_parallel": parallel},
            collection=CollectionJob(name="made", type="made", table_name="made", start_date="2020-01-01"),
        )  # fmt: skip
        self.directory = directory

    def items(self, bookmark: str | None = None) -> Iterator[Item]:
        source = make_source(self.job, work_dir=self.directory, log=lambda _level, line: self.lines.append(line))
        with closing(source):
            yield from source.read(bookmark)

    def records(self) -> list[dict[str, Any]]:
        return [record for item in self.items() if isinstance(item, Rows) for record in item.records]


def test_all_values_are_those_that_one_connection_reads(origin: Postgres, tmp_path: Path) -> None:
    origin.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    origin.execute(
        """
        CREATE TABLE made (
            flag boolean, tiny smallint, whole integer, big bigint, exact numeric, money numeric(10, 2), single real,
            double float8, text text, short varchar(5), padded char(5), raw bytea, doc jsonb, kept json,
            moment timestamptz, wall timestamp, day date, clock time, zoned timetz, span interval, mood mood, one uuid,
            net inet, block cidr, range int4range, oid oid, "odd ""%: name" text)
        """
    )
    origin.execute(
        """
        INSERT INTO made VALUES
        (true, 1, 2, 9223372036854775807, 0.10000000000000000001, 1.10, 1.1, 0.1, 'a🦊', 'ab', 'ab', '\\x00ff',
         '{"a": 1.10000000000000000001}', '[1.0, "x"]', '2024-01-01 12:00:00.500001+02', '2024-01-01 12:00',
         '2024-02-29', '24:00', '01:02:03+02', '1 month 2 days', 'glad', '00000000-0000-0000-0000-000000000001',
         '10.0.0.1', '10.0.0.0/8', '[1,5)', 4294967295, 'x'),
        (false, -1, -2, -9223372036854775808, 'NaN', -1, 'Infinity', 'NaN', '', '', '', '', 'null', 'null', 'infinity',
         '-infinity', 'infinity', '00:00', '00:00+00', '-1 second', 'sad', NULL, '::1/64', '::/0', 'empty', 0, ''),
        (NULL, NULL, NULL, NULL, 'Infinity', NULL, '-Infinity', '-Infinity', NULL, NULL, NULL, NULL, NULL, NULL,
         '-infinity', 'infinity', '-infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (NULL, NULL, NULL, NULL, 1e30, NULL, 0.1, -0.0, NULL, NULL, NULL, NULL, NULL, NULL,
         '0044-03-15 12:00 BC', '20240-01-01 00:00:00.1', '0001-12-31 BC', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL),
        (NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1e300, NULL, NULL, NULL, NULL, NULL, NULL,
         '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999', '9999-12-31', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL)
        """
    )
    one, two = Reading(origin, tmp_path, parallel=1), Reading(origin, tmp_path)
    expected, found = one.records(), two.records()
    assert two.lines == []
    assert repr(found) == repr(expected)
    origin.execute("DELETE FROM made WHERE exact IS NOT NULL")
    assert repr(two.records()) == repr(one.records())
    assert [table.columns for table in one.items() if isinstance(table, Table)] == [
        table.columns for table in two.items() if isinstance(table, Table)
    ]


@pytest.mark.parametrize("first_load", [True, False], ids=["ranges of the key", "ranges of pages"])
def test_every_row_is_read_once_in_one_snapshot(origin: Postgres, tmp_path: Path, *, first_load: bool) -> None:
    make(origin, 2000)
    origin.execute("DELETE FROM made WHERE id % 7 = 0")
    ids: list[int] = []
    for item in Reading(origin, tmp_path, parallel=3, first_load=first_load).items():
        if isinstance(item, Rows):
            if not ids:
                origin.execute("DELETE FROM made WHERE id > 1000")
                origin.execute("INSERT INTO made VALUES (5000, 'late')")
            ids += [record["id"] for record in item.records]
    assert sorted(ids) == [number for number in range(1, 2001) if number % 7]


@pytest.mark.parametrize("key", ["", "PRIMARY KEY"])
def test_partitions_are_read_as_one_table(origin: Postgres, tmp_path: Path, key: str) -> None:
    origin.execute(f"CREATE TABLE made (id bigint {key}, text text) PARTITION BY RANGE (id)")
    for low in (0, 500, 1000):
        origin.execute(f"CREATE TABLE made_{low} PARTITION OF made FOR VALUES FROM ({low}) TO ({low + 500})")
    origin.execute("INSERT INTO made SELECT n, repeat('x', 500) FROM generate_series(0, 1499) AS n")
    reading = Reading(origin, tmp_path)
    assert sorted(record["id"] for record in reading.records()) == list(range(1500))
    assert reading.lines == []


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("CREATE VIEW made AS SELECT 1 AS id", "it is not a table"),
        ("CREATE TABLE made (id int, tags text[])", "column 'tags' is of type text[]"),
        ("CREATE TABLE made (id int, docs jsonb[])", "column 'docs' is of type jsonb[]"),
        ("CREATE TABLE made (id int)", "it is small"),
    ],
)
def test_the_log_says_why_one_connection_reads_a_table(
    origin: Postgres, tmp_path: Path, made: str, reason: str
) -> None:
    origin.execute(made)
    reading = Reading(origin, tmp_path)
    assert len(reading.records()) == (1 if "VIEW" in made else 0)
    assert reading.lines == [f"table 'made' is read by one connection: {reason}"]


def test_a_reading_goes_on_after_the_bookmark_of_a_first_load(origin: Postgres, tmp_path: Path) -> None:
    make(origin, 1000)
    found = list(Reading(origin, tmp_path).items())
    marks = [item.bookmark for item in found if isinstance(item, Checkpoint)]
    assert marks[-1] is None
    reached = marks[len(marks) // 2]
    at = found.index(Checkpoint(reached))
    before = [record["id"] for item in found[:at] if isinstance(item, Rows) for record in item.records]
    second = Reading(origin, tmp_path, first_load=False)
    items = list(second.items(reached))
    rest = [record["id"] for item in items if isinstance(item, Rows) for record in item.records]
    assert sorted(before + rest) == list(range(1, 1001))
    assert items[0].goes_on  # type: ignore[union-attr]
    (line,) = second.lines
    assert line == (
        f"table 'made': the first load goes on at id = {min(rest)}. What has changed in the rows before it since they "
        "were loaded comes with the next task"
    )


def test_an_error_of_a_reader_is_told_without_its_statement(origin: Postgres, tmp_path: Path) -> None:
    make(origin, 5000)
    items = Reading(origin, tmp_path).items()
    assert isinstance(next(items), Table)
    assert isinstance(next(items), Rows)
    origin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database() AND query NOT LIKE '%pg_export_snapshot%'"
    )
    with pytest.raises(SynclineError) as raised:
        list(items)
    text = str(raised.value)
    assert text.startswith("source 'shop', collection 'made': cannot read table 'made': ")
    assert "COPY" not in text
    assert "SELECT" not in text


def test_readers_end_when_nobody_takes_what_they_read(origin: Postgres, tmp_path: Path) -> None:
    make(origin, 5000)
    items = Reading(origin, tmp_path).items()
    assert isinstance(next(items), Table)
    assert isinstance(next(items), Rows)
    items.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.daemon and "_run" in thread.name]
    assert origin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    ) == [(0,)]


def _prepare() -> None:
    commit_each(150)
    postgres_parts.PAGES_OF_A_PART = 0


class Loading(Copying):
    """Attempts that read pages as parts, and commit after 150 rows."""

    def start(self, *, again: int = 0, armed: str = "", **others: Any) -> Attempt:
        return Attempt(self.job(again=again, **others), armed=armed, prepare=_prepare)


class _Broken:
    def read(self, part: Part) -> Iterator[int]:
        yield 1
        raise ValueError(part.statement)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_an_error_comes_after_what_was_read_before_it() -> None:
    parts = [Part(str(number)) for number in range(5)]
    batches = ReadAhead[int](_Broken, parts, threads=2).batches()
    assert next(batches) == (parts[0], 1)
    with pytest.raises(ValueError, match="0"):
        next(batches)


def test_a_first_load_goes_on_where_it_was_killed(origin: Postgres, warehouse: Warehouse, tmp_path: Path) -> None:
    make(origin, 1400)
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    committed = 0
    for again, point in enumerate(("destination.committing@3", "destination.bookmarked@3", "child.committed@2")):
        told = trial.die(point, again=again)
        found = warehouse.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made")[0]
        assert found[0] == found[1]
        assert committed < found[0] < 1400
        committed = found[0]
        assert told.committed
    told = trial.run(again=3)
    assert told.finished.records_read == 1400 - committed
    assert warehouse.execute("SELECT count(*), count(DISTINCT id), sum(id) FROM loaded.made") == [(1400, 1400, 980700)]
    assert any("the first load goes on at id = " in line for line in told.lines)
    origin.execute("DELETE FROM made WHERE id > 1200")
    told = trial.run()
    assert told.finished.records_read == 1200
    assert warehouse.execute("SELECT count(*), max(id) FROM loaded.made") == [(1200, 1200)]


def test_a_reset_in_the_middle_of_a_first_load_begins_anew(
    origin: Postgres, warehouse: Warehouse, tmp_path: Path
) -> None:
    make(origin, 1000)
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    trial.die("child.committed@2")
    trial.generation = 7
    assert trial.run().finished.records_read == 1000
    assert warehouse.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(1000, 1000)]


def test_a_first_load_that_one_connection_goes_on_with_is_read_whole(
    origin: Postgres, warehouse: Warehouse, tmp_path: Path
) -> None:
    make(origin, 1000)
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    trial.die("child.committed@2")
    trial.source_config = trial.source_config | {"read_parallel": 1}
    assert trial.run(again=1).finished.records_read == 1000
    assert warehouse.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(1000, 1000)]


def test_rows_that_others_have_written_are_replaced_at_once(
    origin: Postgres, warehouse: Warehouse, tmp_path: Path
) -> None:
    make(origin, 1000)
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.made AS SELECT 0::bigint AS id, 'old' AS text")
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    trial.die("destination.committing")
    assert warehouse.execute("SELECT count(*) FROM loaded.made") == [(1,)]
    assert trial.run(again=1).finished.records_read == 1000
    assert warehouse.execute("SELECT count(*), min(id) FROM loaded.made") == [(1000, 1)]


def test_a_load_that_fails_leaves_no_table(origin: Postgres, warehouse: Warehouse, tmp_path: Path) -> None:
    make(origin, 1000, "id bigint, doc json")
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    told = trial.run()
    assert told.failed.error.startswith(
        "source 'origin', collection 'made': cannot read table 'made', column 'doc': the name \"a\" "
    )
    there = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'loaded' AND table_name = 'made'"
    assert warehouse.execute(there) == [(0,)]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_rows_with_a_key_that_is_not_unique_are_compared_first(
    origin: Postgres, warehouse: Warehouse, tmp_path: Path
) -> None:
    make(origin, 1000, "id bigint, text text")
    origin.execute("INSERT INTO made SELECT id, 'newer' FROM made")
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    trial.collection = {"primary_key": ["id"]}
    assert trial.run().finished.rows_written == 1000
    assert warehouse.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(1000, 1000)]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_row_that_the_table_refuses_is_not_shown(origin: Postgres, warehouse: Warehouse, tmp_path: Path) -> None:
    make(origin, 1000)
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.made (id bigint CHECK (id < 900), text text)")
    warehouse.execute("INSERT INTO loaded.made VALUES (1, 'old')")
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    error = trial.run().failed.error
    assert "violates check constraint" in error
    assert "xxx" not in error
    assert warehouse.execute("SELECT id, text FROM loaded.made") == [(1, "old")]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("there", "value"),
    [
        ("smallint", "70000"),
        ("date", "'2024-02-29 12:00:00.5+00'::timestamptz"),
        ("text", "'2024-02-29 12:00:00.5+00'::timestamptz"),
        ("text", "'infinity'::date"),
        ("jsonb", "'2024-02-29'::date"),
        ("bigint", "'2024-02-29'::date"),
        ("numeric(4, 1)", "1.25"),
        ("varchar(3)", "'four'"),
    ],
)
def test_a_table_takes_and_refuses_the_same_values(
    origin: Postgres, warehouse: Warehouse, tmp_path: Path, there: str, value: str
) -> None:
    origin.execute(f"CREATE TABLE made AS SELECT {value} AS value")
    found = []
    for parallel in (1, 2):
        warehouse.execute("DROP SCHEMA IF EXISTS loaded CASCADE")
        warehouse.execute("CREATE SCHEMA loaded")
        warehouse.execute(f"CREATE TABLE loaded.made (value {there})")
        trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=parallel)
        told = trial.run()
        found.append((told.messages[-1], warehouse.execute("SELECT value::text FROM loaded.made")))
    assert found[0] == found[1]


def test_other_databases_refuse_to_be_read_in_parallel(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only tables of PostgreSQL are read in parallel; remove it"):
        SqlOptions(url=SecretStr(f"sqlite:///{tmp_path / 'file'}"), read_parallel=2)


BINARY = """
    flag boolean, number bigint, double float8, text text, day date, moment timestamptz, wall timestamp
"""
VALUES = """
    (true, 9223372036854775807, 0.1, 'a🦊, "quoted" \\ line
    end', '2024-02-29', '2024-02-29 12:00:00.000001+02', '2024-02-29 12:00:00.5'),
    (false, -9223372036854775808, 'NaN', '', '0001-01-01', '0001-01-01 00:00+00', '9999-12-31 23:59:59.999999'),
    (NULL, NULL, '-Infinity', NULL, NULL, NULL, NULL),
    (NULL, 0, -0.0, '\\N', '9999-12-31', '1969-12-31 23:59:59.999999+00', '1999-12-31 23:59:59.999999')
"""
INFINITE = "(true, 1, 1, 'x', 'infinity', '-infinity', '0044-03-15 BC')"


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
@pytest.mark.parametrize("values", [VALUES, INFINITE], ids=["binary", "text"])
def test_values_arrive_as_they_are(origin: Postgres, warehouse: Warehouse, tmp_path: Path, values: str) -> None:
    origin.execute(f"CREATE TABLE made ({BINARY})")
    origin.execute(f"INSERT INTO made VALUES {values}")
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2, chunk_rows=3)
    if values is INFINITE:
        assert "cannot hold" in trial.run().failed.error
        origin.execute("UPDATE made SET wall = 'infinity'")
    trial.run().finished  # noqa: B018 -- asserts that it is
    columns = "flag, number, double, text, day, moment, wall"
    rows = "SELECT {} FROM {} AS each ORDER BY double, text"
    loaded = warehouse.execute(rows.format(f"ROW({columns})::text", "loaded.made"))
    assert loaded == origin.execute(rows.format(f"ROW({columns})::text", "made"))
    assert warehouse.execute(
        "SELECT count(*) FROM loaded.made WHERE _syncline_task_id LIKE 'origin_made_%' "
        "AND _syncline_synced_at BETWEEN now() - interval '10 minutes' AND now()"
    ) == [(len(loaded),)]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_equal_rows_are_one_row_in_tables_of_classic(origin: Postgres, warehouse: Warehouse, tmp_path: Path) -> None:
    make(origin, 200)
    origin.execute("ALTER TABLE made DROP CONSTRAINT made_pkey")
    origin.execute("INSERT INTO made SELECT * FROM made")
    found = []
    for parallel in (1, 2):
        warehouse.execute("DROP SCHEMA IF EXISTS loaded CASCADE")
        options = warehouse.options() | {"naming": "classic"}
        trial = Loading(origin.url, tmp_path, {"warehouse": options}, read_parallel=parallel)
        told = trial.run()
        found.append((told.messages[-1], warehouse.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made")))
    assert found[0] == found[1]
    assert found[0][1] == [(200, 200)]


def test_a_first_load_with_a_cursor_goes_on_and_misses_no_change(
    origin: Postgres, warehouse: Warehouse, tmp_path: Path
) -> None:
    make(origin, 1000)
    origin.execute("ALTER TABLE made ADD at bigint NOT NULL DEFAULT 1")
    origin.execute("UPDATE made SET at = id")
    trial = Loading(origin.url, tmp_path, {"warehouse": warehouse.options()}, read_parallel=2)
    trial.collection = {"primary_key": ["id"], "cursor_field": "at"}
    trial.die("child.committed@3")
    ((committed,),) = warehouse.execute("SELECT count(*) FROM loaded.made")
    assert 0 < committed < 1000
    origin.execute("UPDATE made SET text = 'changed', at = 1001 WHERE id = 1")
    origin.execute("UPDATE made SET text = 'changed', at = 1002 WHERE id = 999")
    told = trial.run(again=1)
    assert told.finished.records_read == 1000 - committed
    assert told.committed[-1].bookmark == {"cursor_field": "at", "type": "integer", "value": "1000"}
    told = trial.run()
    assert told.finished.records_read == 3
    assert told.lines == []
    total = 'SELECT count(*), count(DISTINCT id), sum("at") FROM {}'
    assert warehouse.execute(total.format("loaded.made")) == origin.execute(total.format("made"))
    assert warehouse.execute("SELECT id FROM loaded.made WHERE text = 'changed' ORDER BY id") == [(1,), (999,)]
