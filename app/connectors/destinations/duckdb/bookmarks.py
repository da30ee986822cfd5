"""The table that remembers, beside the rows, how far each collection is and which attempt may write.

Whoever has the file open for writing is alone, so reading and changing a row needs no lock of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.destinations.duckdb.file import TARGET
from app.connectors.destinations.layout import BOOKMARK_TABLE, quoted
from app.connectors.passes import Fence, Position

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHAPE = """
    source VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    generation BIGINT NOT NULL,
    bookmark VARCHAR,
    task UUID NOT NULL,
    attempt INTEGER NOT NULL,
    completed_task UUID,
    committed_at TIMESTAMPTZ,
    PRIMARY KEY (source, collection)
"""


class Bookmark:
    """One collection's row; everything here happens inside a transaction on the target."""

    def __init__(self, connection: DuckDBPyConnection, *, schema: str, fence: Fence) -> None:
        self._connection = connection
        self._schema = quoted(TARGET, schema)
        self._table = quoted(TARGET, schema, BOOKMARK_TABLE)
        self._fence = fence

    def make_table(self) -> None:
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({_SHAPE})")

    def claim(self) -> Position:
        """Shuts every older attempt out.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        fence = self._fence
        row = self._connection.execute(
            f"""
            SELECT task::VARCHAR, attempt, generation, bookmark, completed_task::VARCHAR, committed_at IS NOT NULL
            FROM {self._table} WHERE source = ? AND collection = ?
            """,  # noqa: S608 -- a quoted identifier
            [fence.source, fence.collection],
        ).fetchone()
        if row is None:
            self._connection.execute(
                f"INSERT INTO {self._table} (source, collection, generation, task, attempt) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 -- a quoted identifier
                [fence.source, fence.collection, fence.generation, fence.task, fence.attempt],
            )
            return Position()
        task, attempt, generation, bookmark, completed_task, loaded = row
        if (task, attempt) > (fence.task, fence.attempt):
            raise fence.overtaken()
        self._connection.execute(
            f"UPDATE {self._table} SET task = ?, attempt = ? WHERE source = ? AND collection = ?",  # noqa: S608 -- a quoted identifier
            [fence.task, fence.attempt, fence.source, fence.collection],
        )
        return fence.position(generation=generation, bookmark=bookmark, completed_task=completed_task, loaded=loaded)

    def verify(self) -> None:
        """Raises `LeaseLostError` if another attempt has the collection now."""
        fence = self._fence
        owner = self._connection.execute(
            f"SELECT task::VARCHAR, attempt FROM {self._table} WHERE source = ? AND collection = ?",  # noqa: S608 -- a quoted identifier
            [fence.source, fence.collection],
        ).fetchone()
        if owner != (fence.task, fence.attempt):
            raise fence.overtaken()

    def move(self, bookmark: str | None, *, final: bool) -> None:
        fence = self._fence
        self._connection.execute(
            f"""
            UPDATE {self._table}
            SET bookmark = ?, generation = ?, committed_at = now(), completed_task = CASE WHEN ? THEN task END
            WHERE source = ? AND collection = ?
            """,  # noqa: S608 -- a quoted identifier
            [bookmark, fence.generation, final, fence.source, fence.collection],
        )
