"""Reads a history from the database, once and in one snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row, tuple_row

from app.domain.events import Event
from app.domain.feed import Place
from tests.history.record import (
    Acknowledged,
    FireTime,
    History,
    Line,
    Projections,
    ScheduleRow,
    StoredEvent,
    WorkerRow,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

_APPEND_ONLY = ("events", "log_events", "fire_times")
_LINE = "task, attempt, line, at, message"
_CHANGES = ("UPDATE {} SET task = NULL", "DELETE FROM {}", "TRUNCATE {}")


def read_history(url: str, *, unsteady: Collection[tuple[str, str]] = (), **more: Any) -> History:
    """All that the database remembers; `unsteady` are the schedules that somebody has changed meanwhile.

    `more` are the parts of `History` that the database does not know.
    """
    changed = accepted_changes(url)  # before, for it takes locks that a snapshot's reads would hold off
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return History(
            events=_events(connection, "status IS NOT NULL"),
            facts=_events(connection, "status IS NULL"),
            lines=[Line(*row) for row in _rows(connection, _LINE, "log_lines", "task, attempt, line")],
            fire_times=[
                FireTime(*row)
                for row in _rows(
                    connection,
                    "source, collection, fire_time, outcome, reason, task, decided_at",
                    "fire_times",
                    "source, collection, fire_time",
                )
            ],
            schedules=[
                replace(ScheduleRow(*row), steady=row[:2] not in unsteady)
                for row in _rows(
                    connection,
                    "source, collection, expression, timezone, next_fire_at, active",
                    "schedules",
                    "source, collection",
                )
            ],
            workers=[
                WorkerRow(*row) for row in _rows(connection, "worker, pid, state, lease_until", "workers", "worker")
            ],
            projections=Projections(
                *(_table(connection, name) for name in ("tasks", "collections", "bookmarks", "table_schemas"))
            ),
            changed=changed,
            **more,
        )


def read_acknowledged(url: str, since: datetime) -> Acknowledged:
    """What clients of this database may know of that was written since then."""
    with psycopg.connect(url) as connection:
        tasks = connection.execute(
            "SELECT task, source, collection FROM syncline.all_tasks WHERE created_at >= %s", [since]
        )
        lines = connection.execute(f"SELECT {_LINE} FROM syncline.log_lines WHERE at >= %s".encode(), [since])
        places = connection.execute(
            "SELECT xid::text::bigint, task, version, at FROM syncline.events WHERE at >= %s", [since]
        )
        return Acknowledged(
            {task: (source, collection) for task, source, collection in tasks},
            frozenset(Line(*row) for row in lines),
            frozenset(str(Place.of(*row)) for row in places),
        )


def accepted_changes(url: str) -> list[str]:
    """Changes of recorded events that the database does not refuse, to the application's role and to this login.

    Each is tried in a transaction that is rolled back.
    """
    accepted = []
    with psycopg.connect(url, autocommit=True) as connection:
        for role in ("syncline_app", None):
            for table in _APPEND_ONLY:
                for change in _CHANGES:
                    statement = sql.SQL(change).format(sql.Identifier("syncline", table))
                    if _is_accepted(connection, statement, role):
                        accepted.append(f"{statement.as_string(connection)} as {role or 'the login'}")
    return accepted


def _is_accepted(connection: psycopg.Connection, statement: sql.Composed, role: str | None) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            if role:
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            if connection.execute(statement).rowcount == 0:
                return False  # an empty table: there was nothing to refuse
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation):
        return False
    return True


def _events(connection: psycopg.Connection, condition: str) -> list[StoredEvent]:
    columns = "task, version, type, at, status, attempt, worker, data, v, line, xid::text::bigint"
    rows = _rows(connection, columns, f"events WHERE {condition}", "task, version")
    return [StoredEvent(Event(*row[:-1]), row[-1]) for row in rows]


def _rows(connection: psycopg.Connection, columns: str, table: str, order: str) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(f"SELECT {columns} FROM syncline.{table} ORDER BY {order}".encode()).fetchall()


def _table(connection: psycopg.Connection, name: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"SELECT * FROM syncline.{name}".encode()).fetchall()
