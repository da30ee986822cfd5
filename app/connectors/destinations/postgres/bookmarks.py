"""PostgreSQL's bookmark table: attempts wait for each other's locks, and a newer one ends an older connection.

`bookmark` is `json` and not `jsonb`, which would change what a source sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from app.connectors.destinations.postgres.columns import existing_columns
from app.connectors.warehouse.bookmarks import BOOKMARK_TABLE, Bookmark
from app.connectors.warehouse.layout import quoted
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.connectors.contract.passes import Fence, Position
    from app.connectors.destinations.postgres.connection import PostgresSession


def application_name(task: str, attempt: int, claim: int | None) -> str:
    """The name of an attempt's connection: unique for each claim, and short enough for PostgreSQL.

    In releases before 0.1.1 attempts have no claim, and their names lack it.
    """
    return f"syncline {task}/{attempt}" + ("" if claim is None else f" {claim & 0xFFFF_FFFF:08x}")


class PostgresBookmark(Bookmark):
    def __init__(self, session: PostgresSession, *, schema: str, fence: Fence) -> None:
        self._connection = session.connection
        super().__init__(session, table=quoted(schema, BOOKMARK_TABLE), fence=fence, kind="json", locking="FOR UPDATE")

    def _alter(self, changes: list[str]) -> None:
        try:
            super()._alter(changes)
        except psycopg.errors.InsufficientPrivilege:
            raise ConfigurationError(
                "the bookmark table lacks columns that this release needs, and only its owner can add them: ask the "
                f"owner to run ALTER TABLE {self._table} {', '.join(changes)}"
            ) from None

    def _columns(self) -> set[str]:
        return {name for name, _ in existing_columns(self._session, self._table)}

    def claim(self, *, tables_without_rows: Callable[[Sequence[str]], Sequence[str]]) -> Position:
        self._end_older_owner()
        return super().claim(tables_without_rows=tables_without_rows)

    def _end_older_owner(self) -> None:
        fence = self._fence
        owner = self._session.row(
            f"""
            SELECT task::text, attempt, claim FROM {self._table}
            WHERE source = $1 AND collection = $2 AND (task, coalesce(claim, 0)) < ($3, $4)
            """,  # noqa: S608 -- a quoted identifier
            *(fence.source, fence.collection, fence.task, fence.claim),
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
            return  # then we wait for its lock on the row
