"""Counts what a replica sends to PostgreSQL while events are appended at a steady rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from typing import Any

    import psycopg

EVENTS_A_SECOND: Final = 10
_CALLS: Final = """
    SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = %s AND s.query NOT LIKE '%%INSERT INTO syncline.events%%'
"""
_APPEND: Final = """
    INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
    VALUES (syncline.uuid7(syncline.clock(), NULL), 1, 'TaskScheduled', syncline.clock(), 'SCHEDULED', 0,
            '{"source": "source_1", "collection": "collection_1"}')
"""


def statements_a_second(
    counting: psycopg.Connection[Any], writing: psycopg.Connection[Any], url: str, *, seconds: int
) -> float:
    """Append events to the database at `url` for so long; returns the rate of all other statements there.

    `counting` is a connection to another database of the server, `writing` one to this; both commit by themselves.
    """
    counting.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    counting.execute("SELECT pg_stat_statements_reset()")
    began = time.monotonic()
    for number in range(seconds * EVENTS_A_SECOND):
        time.sleep(max(0.0, began + number / EVENTS_A_SECOND - time.monotonic()))
        writing.execute(_APPEND)
    row = counting.execute(_CALLS.encode(), [database_name(url)]).fetchone()
    assert row is not None
    return int(row[0]) / (time.monotonic() - began)
