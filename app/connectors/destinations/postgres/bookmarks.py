"""The table that remembers, beside the rows, how far each collection is and which attempt may write.

`bookmark` is `json` and not `jsonb`: the words of a source are kept to the letter, whatever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from app.connectors.destinations.layout import BOOKMARK_TABLE, quoted

if TYPE_CHECKING:
    from psycopg import Connection

    from app.connectors.passes import Fence, Position

_SHAPE = """
    source text NOT NULL,
    collection text NOT NULL,
    generation bigint NOT NULL,
    bookmark json,
    task uuid NOT NULL,
    attempt integer NOT NULL,
    completed_task uuid,
    committed_at timestamptz,
    PRIMARY KEY (source, collection)
"""


def application_name(task: str, attempt: int) -> str:
    return f"syncline {task}/{attempt}"


class Bookmark:
    """One collection's row."""

    def __init__(self, connection: Connection, *, schema: str, fence: Fence) -> None:
        self._connection = connection
        self._table = quoted(schema, BOOKMARK_TABLE)
        self._fence = fence

    def make_table(self) -> None:
        """Inside a transaction that holds the destination's lock for changes of its schema."""
        # IF NOT EXISTS alone asks for the right to create, even where there is nothing left to create.
        if not exists(self._connection, self._table):
            self._connection.execute(f"CREATE TABLE {self._table} ({_SHAPE})".encode())

    def claim(self) -> Position:
        """Shuts every older attempt out and waits for one that is just committing; what it leaves counts.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        self._end_older_owner()
        fence = self._fence
        row = self._connection.execute(
            f"""
            INSERT INTO {self._table} AS kept (source, collection, generation, task, attempt)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (source, collection) DO UPDATE SET task = excluded.task, attempt = excluded.attempt
            WHERE (kept.task, kept.attempt) <= (excluded.task, excluded.attempt)
            RETURNING generation, bookmark::text, completed_task::text, committed_at IS NOT NULL
            """.encode(),  # noqa: S608 -- a quoted identifier
            [fence.source, fence.collection, fence.generation, fence.task, fence.attempt],
        ).fetchone()
        if row is None:
            raise fence.overtaken()
        generation, bookmark, completed_task, loaded = row
        return fence.position(generation=generation, bookmark=bookmark, completed_task=completed_task, loaded=loaded)

    def hold(self) -> None:
        """Locks the row until the end of the transaction, so that no other attempt can come between.

        Raises:
            LeaseLostError: another attempt has the collection now.
        """
        fence = self._fence
        mine = self._connection.execute(
            f"""
            SELECT FROM {self._table}
            WHERE source = $1 AND collection = $2 AND task = $3 AND attempt = $4
            FOR UPDATE
            """.encode(),
            [fence.source, fence.collection, fence.task, fence.attempt],
        ).fetchone()
        if mine is None:
            raise fence.overtaken()

    def move(self, bookmark: str | None, *, final: bool) -> None:
        fence = self._fence
        self._connection.execute(
            f"""
            UPDATE {self._table}
            SET bookmark = $1::json, generation = $2, committed_at = now(),
                completed_task = CASE WHEN $3 THEN task END
            WHERE source = $4 AND collection = $5
            """.encode(),  # noqa: S608 -- a quoted identifier
            [bookmark, fence.generation, final, fence.source, fence.collection],
        )

    def _end_older_owner(self) -> None:
        fence = self._fence
        owner = self._connection.execute(
            f"""
            SELECT task::text, attempt FROM {self._table}
            WHERE source = $1 AND collection = $2 AND (task, attempt) < ($3, $4)
            """.encode(),  # noqa: S608 -- a quoted identifier
            [fence.source, fence.collection, fence.task, fence.attempt],
        ).fetchone()
        if owner is None:
            return
        try:
            self._connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
                [application_name(*owner)],
            )
        except psycopg.errors.InsufficientPrivilege:
            return  # the lock on the row makes us wait for it instead


def exists(connection: Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass($1) IS NOT NULL", [table]).fetchone()
    return bool(row and row[0])
