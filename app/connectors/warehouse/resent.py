"""Rows that are sent again: sources repeat what lies at or before the bookmark, and only the rows themselves show it.

As many equal rows as the target already has are not new. Only rows up to the highest cursor that the target had before
this pass can be repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.warehouse.layout import ROW_COLUMN, quoted

if TYPE_CHECKING:
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.staged import Staged


class Resent:
    """One target's earlier rows: `covered` is their range of cursors, `earlier` counts equal ones not matched yet."""

    def __init__(self, session: Session, stage: Staged, *, number: int) -> None:
        self._session = session
        self._stage = stage
        self._earlier = stage.temporary(f"syncline_earlier_{number}")
        self._covered = stage.temporary(f"syncline_covered_{number}")
        self._dropped = stage.temporary(f"syncline_dropped_{number}")
        self._remembers = False

    def drop(self) -> None:
        """Removes the rows that the target already has from the stage; without a cursor they cannot be recognised."""
        stage, cursor = self._stage, self._stage.target.cursor
        if cursor is None:
            return
        if not self._remembers:
            self._remember_where_the_target_ends(cursor)
        column = quoted(cursor)
        if self._session.row(f"SELECT 1 FROM {stage.name}, {self._covered} WHERE {column} <= highest LIMIT 1"):  # noqa: S608 -- quoted identifiers
            self._count_those_there(column)
            self._drop_as_many(column)

    def _remember_where_the_target_ends(self, cursor: str) -> None:
        stage, column = self._stage, quoted(cursor)
        end = f"SELECT {column} FROM {stage.target.qualified} WHERE {column} IS NOT NULL ORDER BY {column} DESC LIMIT 1"  # noqa: S608 -- quoted identifiers
        highest = f"SELECT ({end}) AS highest, NULL::{stage.columns[cursor]} AS lowest"
        for statement in (
            f"CREATE TEMPORARY TABLE {self._earlier} (fingerprint text, left_over bigint)",
            f"CREATE TEMPORARY TABLE {self._dropped} (staged_row bigint, fingerprint text)",
            f"CREATE TEMPORARY TABLE {self._covered} AS {highest}",
        ):
            self._session.run(statement)
        self._remembers = True

    def _count_those_there(self, column: str) -> None:
        """Counts the target's rows from the lowest repeated cursor on; reads each part of the target once per pass."""
        stage = self._stage
        lowest = f"(SELECT {column} FROM {stage.name} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)"  # noqa: S608 -- quoted identifiers
        self._session.run(
            f"""
            INSERT INTO {self._earlier}
            SELECT {stage.fingerprint()}, count(*) FROM {stage.target.qualified}, {self._covered}
            WHERE {column} <= highest AND {column} >= {lowest} AND (lowest IS NULL OR {column} < lowest)
            GROUP BY 1
            """  # noqa: S608 -- quoted identifiers
        )
        self._session.run(f"UPDATE {self._covered} SET lowest = least(lowest, {lowest})")  # noqa: S608 -- quoted identifiers

    def _drop_as_many(self, column: str) -> None:
        stage, row = self._stage, self._stage.fingerprint()
        for statement in (
            f"TRUNCATE {self._dropped}",
            f"""
            INSERT INTO {self._dropped}
            SELECT staged_row, fingerprint FROM (
                SELECT {ROW_COLUMN} AS staged_row, {row} AS fingerprint,
                       row_number() OVER (PARTITION BY {row} ORDER BY {ROW_COLUMN}) AS nth
                FROM {stage.name}, {self._covered} WHERE {column} <= highest
            ) AS candidates JOIN {self._earlier} AS earlier USING (fingerprint) WHERE nth <= left_over
            """,  # noqa: S608 -- quoted identifiers
            f"DELETE FROM {stage.name} WHERE {ROW_COLUMN} IN (SELECT staged_row FROM {self._dropped})",  # noqa: S608 -- quoted identifiers
            f"""
            UPDATE {self._earlier} AS earlier SET left_over = left_over - copies
            FROM (SELECT fingerprint, count(*) AS copies FROM {self._dropped} GROUP BY fingerprint) AS counted
            WHERE earlier.fingerprint = counted.fingerprint
            """,  # noqa: S608 -- quoted identifiers
        ):
            self._session.run(statement)
