"""Rows on their way: a temporary table that fills outside of any transaction and moves into its target inside one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from app.connectors.destinations.layout import ROW_COLUMN, SYNCED_COLUMN, TASK_COLUMN, listed, quoted, with_own
from app.connectors.destinations.postgres import columns as types
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from psycopg import Connection

    from app.connectors.destinations.layout import Target


class Stage:
    """The staged rows of one table."""

    def __init__(self, connection: Connection, target: Target, *, name: str, task_id: str) -> None:
        self.target = target
        self._connection = connection
        self._name = quoted("pg_temp", name)
        self._earlier = quoted("pg_temp", f"{name}_earlier")
        self._covered = quoted("pg_temp", f"{name}_covered")
        self._remembers = False
        self._task_id = task_id
        self._numbers = count()
        self._execute(f"CREATE TEMPORARY TABLE {quoted(name)} ({ROW_COLUMN} bigint)")
        self._columns: dict[str, str] = {}
        self.widen(target)

    def widen(self, target: Target) -> None:
        """Takes over a new description of the target, which may have more columns."""
        self.target = target
        for column in target.columns.values():
            if column.name not in self._columns:
                self._execute(f"ALTER TABLE {self._name} ADD COLUMN {quoted(column.name)} {column.type}")
                self._columns[column.name] = column.type

    def add(self, records: list[dict[str, Any]]) -> None:
        """Casts and copies; raises `ValueRefusedError`."""
        target = self.target
        values = target.cast(records)
        names = listed([ROW_COLUMN, *(column.name for column in target.columns.values())])
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {self._name} ({names}) FROM STDIN".encode()) as copy,
        ):
            for row in zip(self._numbers, *values, strict=False):
                copy.write_row(row)

    def move(self) -> int:
        """Into the target, inside the caller's transaction; returns the number of rows inserted or changed."""
        table = self.target.table
        if table.mode is WriteMode.REPLACE:
            # Not TRUNCATE, which would show an empty table to readers with an older snapshot.
            self._execute(f"DELETE FROM {self.target.qualified}")  # noqa: S608 -- a quoted identifier
        elif table.mode is WriteMode.APPEND and not table.full_refresh:
            self._drop_rows_already_there()
        moved = self._upsert() if table.mode is WriteMode.UPSERT else self._append()
        self._execute(f"TRUNCATE {self._name}")
        return moved

    def _append(self) -> int:
        names = listed(self._columns)
        return self._execute(
            f"""
            INSERT INTO {self.target.qualified} ({with_own(names)})
            SELECT {with_own(names, "$1", "now()")} FROM {self._newest()} ORDER BY {ROW_COLUMN}
            """,  # noqa: S608 -- quoted identifiers
            self._task_id,
        )

    def _upsert(self) -> int:
        """The last row of each key wins; a row that is there already as it is stays untouched."""
        key = self.target.key
        names = listed(self._columns)
        rest = [name for name in self._columns if name not in key]
        changed = "NOTHING"
        if rest:
            own = (TASK_COLUMN, SYNCED_COLUMN)
            assignments = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in (*rest, *own))
            changed = f"""UPDATE SET {assignments}
                WHERE ({self._identity("kept", rest)}) IS DISTINCT FROM ({self._identity("excluded", rest)})"""
        return self._execute(
            f"""
            INSERT INTO {self.target.qualified} AS kept ({with_own(names)})
            SELECT {with_own(names, "$1", "now()")} FROM {self._newest()}
            ON CONFLICT ({listed(key)}) DO {changed}
            """,  # noqa: S608 -- quoted identifiers
            self._task_id,
        )

    def _newest(self) -> str:
        """The staged rows, without those that a later one with the same key replaces."""
        if not self.target.key:
            return self._name
        key = listed(self.target.key)
        return f"(SELECT DISTINCT ON ({key}) * FROM {self._name} ORDER BY {key}, {ROW_COLUMN} DESC) AS newest"  # noqa: S608 -- quoted identifiers

    def _drop_rows_already_there(self) -> None:
        """Sources send rows at or before the bookmark again: as many equal rows as were there are not new.

        Only rows up to the highest cursor that the target had before this pass can have been there.
        """
        cursor = self.target.cursor
        if cursor is None:
            return
        column, row = quoted(cursor), f"ROW({listed(self._columns)})::text"
        lowest = f"(SELECT {column} FROM {self._name} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)"  # noqa: S608 -- quoted identifiers
        if not self._remembers:
            self._remember_where_the_target_ends(cursor)
        again = f"SELECT FROM {self._name}, {self._covered} WHERE {column} <= highest LIMIT 1"
        if not self._execute(again):
            return
        self._execute(
            f"""
            INSERT INTO {self._earlier}
            SELECT {row}, count(*) FROM {self.target.qualified}, {self._covered}
            WHERE {column} <= highest AND {column} >= {lowest} AND (lowest IS NULL OR {column} < lowest)
            GROUP BY 1
            """,  # noqa: S608 -- quoted identifiers
        )
        self._execute(f"UPDATE {self._covered} SET lowest = least(lowest, {lowest})")  # noqa: S608 -- quoted identifiers
        self._execute(
            f"""
            WITH candidates AS (
                SELECT {ROW_COLUMN}, {row} AS fingerprint,
                       row_number() OVER (PARTITION BY {row} ORDER BY {ROW_COLUMN}) AS nth
                FROM {self._name}, {self._covered} WHERE {column} <= highest
            ), dropped AS (
                DELETE FROM {self._name} AS staged USING candidates JOIN {self._earlier} USING (fingerprint)
                WHERE staged.{ROW_COLUMN} = candidates.{ROW_COLUMN} AND candidates.nth <= left_over
                RETURNING fingerprint
            ), counted AS (SELECT fingerprint, count(*) AS copies FROM dropped GROUP BY fingerprint)
            UPDATE {self._earlier} AS earlier SET left_over = left_over - copies
            FROM counted WHERE earlier.fingerprint = counted.fingerprint
            """,  # noqa: S608 -- quoted identifiers
        )

    def _remember_where_the_target_ends(self, cursor: str) -> None:
        column, kind = quoted(cursor), self._columns[cursor]
        end = f"SELECT {column} FROM {self.target.qualified} WHERE {column} IS NOT NULL ORDER BY {column} DESC LIMIT 1"  # noqa: S608 -- quoted identifiers
        self._execute(f"CREATE TEMPORARY TABLE {self._earlier} (fingerprint text, left_over bigint)")
        self._execute(f"CREATE TEMPORARY TABLE {self._covered} AS SELECT ({end}) AS highest, NULL::{kind} AS lowest")
        self._remembers = True

    def _identity(self, alias: str, names: list[str]) -> str:
        columns = ((name, f"{alias}.{quoted(name)}") for name in names)
        return ", ".join(text if types.comparable(self._columns[name]) else f"{text}::text" for name, text in columns)

    def _execute(self, statement: str, *parameters: Any) -> int:
        return self._connection.execute(statement.encode(), parameters or None).rowcount
