"""PostgreSQL's table of bookmarks: attempts wait for each other's locks, and a newer one ends an older connection.

`bookmark` is `json` and not `jsonb`: the words of a source are kept to the letter, whatever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from app.connectors.destinations.bookmarks import BOOKMARK_TABLE, Bookmark
from app.connectors.destinations.layout import quoted

if TYPE_CHECKING:
    from app.connectors.destinations.postgres.connection import PostgresSession
    from app.connectors.passes import Fence, Position


def application_name(task: str, attempt: int) -> str:
    return f"syncline {task}/{attempt}"


class PostgresBookmark(Bookmark):
    def __init__(self, session: PostgresSession, *, schema: str, fence: Fence) -> None:
        self._connection = session.connection
        super().__init__(session, table=quoted(schema, BOOKMARK_TABLE), fence=fence, kind="json", locking="FOR UPDATE")

    def make_table(self) -> None:
        # IF NOT EXISTS alone asks for the right to create, even where there is nothing left to create.
        if self._session.row("SELECT to_regclass($1) IS NULL", self._table) == (True,):
            super().make_table()

    def claim(self) -> Position:
        self._end_older_owner()
        return super().claim()

    def _end_older_owner(self) -> None:
        fence = self._fence
        owner = self._session.row(
            f"""
            SELECT task::text, attempt FROM {self._table}
            WHERE source = $1 AND collection = $2 AND (task, attempt) < ($3, $4)
            """,  # noqa: S608 -- a quoted identifier
            *(fence.source, fence.collection, fence.task, fence.attempt),
        )
        if owner is None:
            return
        try:
            with self._connection.transaction():
                self._session.row(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
                    application_name(*owner),
                )
        except psycopg.errors.InsufficientPrivilege:
            return  # the lock on the row makes us wait for it instead
