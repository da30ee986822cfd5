"""The bookmark table in the destination: how far each collection is, and which attempt may write."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from app.connectors.contract.passes import Reload, void_generation
from app.connectors.contract.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from app.connectors.contract.passes import Fence, Position
    from app.connectors.warehouse.session import Session
    from app.domain.errors import LeaseLostError

BOOKMARK_TABLE = "_syncline_bookmarks"
_SHAPE = """
    source text NOT NULL,
    collection text NOT NULL,
    generation bigint NOT NULL,
    bookmark {bookmark},
    task uuid NOT NULL,
    attempt integer NOT NULL,
    completed_task uuid,
    committed_at timestamptz,
    claim bigint,
    standing text,
    PRIMARY KEY (source, collection)
"""


# Tables from releases before 0.1.1 lack these.
_LATER_COLUMNS = {"claim": "bigint", "standing": "text"}


class Bookmark(abc.ABC):
    """One collection's row in `table` (quoted, qualified); everything here runs inside the caller's transactions.

    `kind` is the type of the bookmark itself, `locking` the clause that makes a SELECT lock its row.
    """

    def __init__(self, session: Session, *, table: str, fence: Fence, kind: str, locking: str = "") -> None:
        self._session = session
        self._table = table
        self._fence = fence
        self._kind = kind
        self._locking = locking
        self._expected: tuple[str | None, int] | None = None
        self._standing: Standing | None = None

    def make_table(self) -> None:
        """Creates or upgrades the table, in a transaction in which no other process changes the schema."""
        present = self._columns()
        if not present:
            self._session.run(f"CREATE TABLE {self._table} ({_SHAPE.format(bookmark=self._kind)})")
            return
        if additions := [f"ADD COLUMN {name} {kind}" for name, kind in _LATER_COLUMNS.items() if name not in present]:
            self._alter(additions)

    def _alter(self, changes: list[str]) -> None:
        for change in changes:
            self._session.run(f"ALTER TABLE {self._table} {change}")

    @abc.abstractmethod
    def _columns(self) -> set[str]:
        """The names of the table's columns; empty if there is no such table."""

    def claim(self, *, tables_without_rows: Callable[[Sequence[str]], Sequence[str]]) -> Position:
        """Shuts out every older attempt, after waiting for one that is committing.

        `tables_without_rows` returns those of the given tables that are missing or empty.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        fence = self._fence
        row = self._session.row(
            f"""
            INSERT INTO {self._table} AS kept (source, collection, generation, task, attempt, claim)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (source, collection) DO UPDATE
            SET task = excluded.task, attempt = excluded.attempt, claim = excluded.claim
            WHERE (kept.task, coalesce(kept.claim, 0)) <= (excluded.task, excluded.claim)
            RETURNING generation, bookmark::text, completed_task::text, committed_at IS NOT NULL, standing
            """,  # noqa: S608 -- a quoted identifier
            *(fence.source, fence.collection, fence.generation, fence.task, fence.attempt, fence.claim),
        )
        if row is None:
            raise self._overtaken_error()
        generation, bookmark, completed_task, loaded, standing = row
        self._expected = bookmark, generation
        position = fence.position(
            generation=generation,
            bookmark=bookmark,
            completed_task=completed_task,
            loaded=loaded,
            standing=Standing.parse(standing),
            tables_without_rows=tables_without_rows,
        )
        self._standing = position.standing
        if position.reload is Reload.MISSING:
            # The table will soon exist again, without its rows: an attempt that is killed then must not hide that.
            self._void(fence.source, fence.collection)
            self._expected = bookmark, void_generation(generation)
        return position

    def own_tables(self, *, name_key: Callable[[str], str]) -> dict[str, bool]:
        """The tables that the collection has loaded into; True for those that others have, too.

        Before its first commit it has none, even if there is a table of its name. Names with equal `name_key` are one.
        """
        if not self._columns():
            return {}
        fence = self._fence
        own, others = set[str](), set[str]()
        rows = self._session.rows(
            f"SELECT source, collection, standing FROM {self._table} WHERE committed_at IS NOT NULL"  # noqa: S608 -- a quoted identifier
        )
        for source, collection, text in rows:
            standing = Standing.parse(text)
            if (source, collection) == (fence.source, fence.collection):
                own.update(standing.own_tables(fence.standing) if standing else ())
                # A bookmark says nothing about a table without rows; those of releases before 0.1.1 about none.
                if standing is None or standing.writes == fence.standing.writes:
                    own.update(fence.standing.all_tables)
            elif standing:
                others.update(map(name_key, standing.all_tables))
        by_key = {name_key(table): table for table in sorted(own)}
        return {table: key in others for key, table in by_key.items()}

    def void_others(self, table: str, *, name_key: Callable[[str], str]) -> None:
        """Before this table is created again: no other collection with rows in it may continue from its bookmark."""
        fence = self._fence
        rows = self._session.rows(
            f"SELECT source, collection, standing FROM {self._table} WHERE standing IS NOT NULL",  # noqa: S608 -- a quoted identifier
        )
        for source, collection, text in rows:
            standing = Standing.parse(text)
            is_own = (source, collection) == (fence.source, fence.collection)
            if not is_own and standing and name_key(table) in map(name_key, standing.tables):
                self._void(source, collection)

    def _void(self, source: str, collection: str) -> None:
        self._session.run(
            f"""
            UPDATE {self._table} SET generation = least(generation, -generation - 1)
            WHERE source = $1 AND collection = $2
            """,  # noqa: S608 -- a quoted identifier
            *(source, collection),
        )

    def hold(self) -> None:
        """Keeps any other attempt out until the end of the transaction.

        Raises:
            LeaseLostError: another attempt has the collection now, or the bookmark is not the one that this attempt
                continues from, as after a restore of the destination.
        """
        fence = self._fence
        # Compared here, so that the error can say which of the two changed.
        row = self._session.row(
            f"""
            SELECT bookmark::text, generation FROM {self._table}
            WHERE source = $1 AND collection = $2 AND task = $3 AND attempt = $4 AND claim = $5
            {self._locking}
            """,  # noqa: S608 -- a quoted identifier
            *(fence.source, fence.collection, fence.task, fence.attempt, fence.claim),
        )
        if row is None:
            raise self._overtaken_error()
        if row != self._expected:
            raise fence.displaced_error()

    def _overtaken_error(self) -> LeaseLostError:
        fence = self._fence
        newest = self._session.row(
            f"SELECT task::text FROM {self._table} WHERE source = $1 AND collection = $2",  # noqa: S608 -- a quoted identifier
            *(fence.source, fence.collection),
        )
        return fence.overtaken_error(newest[0] if newest else None)

    def move(self, bookmark: str | None, *, final: bool, tables: Iterable[str], begun: Iterable[str] = ()) -> None:
        """Stores the bookmark; `tables` now have rows of the collection, and those that were `begun` may have none."""
        fence = self._fence
        self._standing = fence.standing.with_tables(self._standing, *tables, begun=begun)
        self._session.run(
            f"""
            UPDATE {self._table}
            SET bookmark = $1::{self._kind}, generation = $2, committed_at = now(),
                completed_task = CASE WHEN $3 THEN task END, standing = $4
            WHERE source = $5 AND collection = $6
            """,  # noqa: S608 -- a quoted identifier
            *(bookmark, fence.generation, final, self._standing.text(), fence.source, fence.collection),
        )
        self._expected = bookmark, fence.generation
