"""What happened stays: the database itself refuses to change events, log lines and the ledger, whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("events", "log_events", "fire_times")

ROWS = """
INSERT INTO syncline.events (task, version, type, at, status, attempt)
VALUES (syncline.uuid7(now()), 1, 'TaskScheduled', now(), 'SCHEDULED', 0);
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
VALUES (syncline.uuid7(now()), 1, 1, now(), 'info', 'x');
INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, worker, decided_at)
VALUES ('shop', 'orders', now(), 'missed', 'skip', gen_random_uuid(), now());
"""

CHANGES = ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}")
COLUMN = {"events": "task", "log_events": "task", "fire_times": "source"}

PRIVILEGES = """
SELECT c.relname || ' ' || p.privilege
FROM pg_class c,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind IN ('r', 'p', 'v')
  AND has_table_privilege('syncline_report', c.oid, p.privilege)
UNION ALL
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = 'syncline'::regnamespace AND has_function_privilege('syncline_report', p.oid, 'EXECUTE')
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """The server's superuser, in a database with a row in each of the tables."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ROWS)
        yield connection


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_application_has_no_right_to_change_what_happened(
    connection: psycopg.Connection, table: str, change: str
) -> None:
    connection.execute("SET ROLE syncline_app")
    with pytest.raises(errors.InsufficientPrivilege):
        _change(connection, change, table)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["syncline_owner", None])
def test_even_the_owner_and_a_superuser_are_refused(
    connection: psycopg.Connection, table: str, change: str, role: str | None
) -> None:
    if role:
        connection.execute(f"SET ROLE {role}".encode())
    with pytest.raises(errors.RestrictViolation, match="append-only"):
        _change(connection, change, table)


@pytest.mark.parametrize("change", CHANGES)
def test_a_partition_is_no_way_round(connection: psycopg.Connection, change: str) -> None:
    partitions = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'syncline.log_events'::regclass"
    ).fetchall()
    filled = [
        name for (name,) in partitions if connection.execute(f"SELECT FROM {name}".encode()).fetchone() is not None
    ]
    assert len(filled) == 1
    with pytest.raises(errors.RestrictViolation, match="append-only"):
        _change(connection, change, filled[0].removeprefix("syncline."))
    if change.startswith("TRUNCATE"):
        for (name,) in partitions:
            with pytest.raises(errors.RestrictViolation):
                connection.execute(f"TRUNCATE {name}".encode())


def test_a_new_partition_is_guarded_like_the_others(connection: psycopg.Connection) -> None:
    connection.execute("SET syncline.clock_offset = '1 year'")
    connection.execute("SELECT syncline.ensure_log_partitions()")
    connection.execute(
        "INSERT INTO syncline.log_events SELECT syncline.uuid7(syncline.clock()), 1, 1, now(), 'info', 'x'"
    )
    name = connection.execute(
        "SELECT tableoid::regclass::text FROM syncline.log_events ORDER BY task DESC LIMIT 1"
    ).fetchone()
    assert name is not None
    for change in CHANGES:
        with pytest.raises(errors.RestrictViolation):
            _change(connection, change, name[0].removeprefix("syncline."))


def test_the_application_appends_events_at_no_position_of_its_choice(connection: psycopg.Connection) -> None:
    partition = connection.execute(
        "SELECT relid::text FROM pg_partition_tree('syncline.events') WHERE isleaf"
    ).fetchone()
    assert partition is not None
    connection.execute("SET ROLE syncline_app")
    appended = connection.execute(
        "INSERT INTO syncline.events (task, version, type, v, at, status, attempt, worker, data, line)"
        " SELECT syncline.uuid7(syncline.clock()), 1, 'TaskScheduled', 1, now(), 'SCHEDULED', 0, NULL, '{}', 1"
        " RETURNING xid = syncline.position()"
    ).fetchone()
    assert appended == (True,)
    for table in ("syncline.events", partition[0]):
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(
                f"INSERT INTO {table} (task, version, type, at, status, attempt, xid)"
                " SELECT syncline.uuid7(syncline.clock()), 1, 'TaskScheduled', now(), 'SCHEDULED', 0, '7'".encode()
            )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM syncline.events",
        "SELECT FROM syncline.all_tasks",
        "SELECT syncline.clock()",
        "INSERT INTO syncline.events DEFAULT VALUES",
        "DELETE FROM reporting.queue",
        "UPDATE reporting.fire_times SET outcome = 'missed'",
        "UPDATE reporting.daily_collection_stats SET rows = 0",
        "CREATE TABLE reporting.own (n integer)",
        "CREATE VIEW reporting.own AS SELECT 1",
        "CREATE TABLE syncline.own (n integer)",
    ],
)
def test_the_reports_role_can_neither_see_more_nor_write(connection: psycopg.Connection, statement: str) -> None:
    connection.execute("SET SESSION AUTHORIZATION syncline_report")
    with pytest.raises((errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)):
        connection.execute(statement.encode())


def test_the_reports_role_has_no_right_in_our_schema(connection: psycopg.Connection) -> None:
    assert connection.execute(PRIVILEGES.encode()).fetchall() == []
    usage = connection.execute("SELECT has_schema_privilege('syncline_report', 'syncline', 'USAGE')").fetchone()
    assert usage == (False,)


def test_a_login_as_the_reports_role_only_reads_and_not_for_long(connection: psycopg.Connection) -> None:
    settings = connection.execute(
        "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 'syncline_report'::regrole ORDER BY 1"
    ).fetchall()
    assert settings == [("default_transaction_read_only=on",), ("statement_timeout=60s",)]


def _change(connection: psycopg.Connection, change: str, table: str) -> None:
    column = COLUMN.get(table, "task")
    connection.execute(change.format(f"syncline.{table}", column, column).encode())
