"""Rows on their way: a temporary table that spills to the attempt's directory and moves in one transaction."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.destinations.duckdb.target import arrow_type
from app.connectors.destinations.layout import ROW_COLUMN, SYNCED_COLUMN, TASK_COLUMN, listed, quoted, with_own
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from app.connectors.destinations.layout import Target

_BATCH = "syncline_batch"


class Stage:
    """The staged rows of one table.

    A transaction of DuckDB writes to one database only, and to temporary tables: so these can change with the target.
    """

    def __init__(self, connection: DuckDBPyConnection, target: Target, *, number: int, task_id: str) -> None:
        self.target = target
        self._connection = connection
        self._name = quoted(f"syncline_stage_{number}")
        self._earlier = quoted(f"syncline_earlier_{number}")
        self._covered = quoted(f"syncline_covered_{number}")
        self._dropped = quoted(f"syncline_dropped_{number}")
        self._remembers = False
        self._task_id = task_id
        self._rows = 0
        self._columns: dict[str, str] = {}
        connection.execute(f"CREATE TEMPORARY TABLE {self._name} ({ROW_COLUMN} BIGINT)")
        self.widen(target)

    def widen(self, target: Target) -> None:
        """Takes over a new description of the target, which may have more columns."""
        self.target = target
        for column in target.columns.values():
            if column.name not in self._columns:
                self._connection.execute(f"ALTER TABLE {self._name} ADD COLUMN {quoted(column.name)} {column.type}")
                self._columns[column.name] = column.type

    def add(self, records: list[dict[str, Any]]) -> None:
        """Casts and stages; raises `ValueRefusedError`."""
        target = self.target
        values = target.cast(records)
        numbers = pa.array(range(self._rows, self._rows + len(records)), pa.int64())
        self._rows += len(records)
        arrays = [
            _array(column, arrow_type(kind)) for column, kind in zip(values, target.columns.values(), strict=True)
        ]
        names = [ROW_COLUMN, *(column.name for column in target.columns.values())]
        self._connection.register(_BATCH, pa.Table.from_arrays([numbers, *arrays], names=names))
        try:
            self._connection.execute(f"INSERT INTO {self._name} ({listed(names)}) SELECT * FROM {_BATCH}")  # noqa: S608 -- quoted identifiers
        finally:
            self._connection.unregister(_BATCH)

    def move(self) -> int:
        """Into the target, inside the caller's transaction; returns the number of rows inserted or changed."""
        table = self.target.table
        if table.mode is WriteMode.REPLACE:
            self._execute(f"DELETE FROM {self.target.qualified}")  # noqa: S608 -- a quoted identifier
        elif table.mode is WriteMode.APPEND and not table.full_refresh:
            self._drop_rows_already_there()
        moved = self._upsert() if table.mode is WriteMode.UPSERT else self._append()
        self._execute(f"DELETE FROM {self._name}")  # noqa: S608 -- a quoted identifier
        return moved

    def _append(self) -> int:
        names = listed(self._columns)
        return self._count(
            f"""
            INSERT INTO {self.target.qualified} ({with_own(names)})
            SELECT {with_own(names, "?", "now()")} FROM {self._newest()} ORDER BY {ROW_COLUMN}
            """,  # noqa: S608 -- quoted identifiers
            [self._task_id],
        )

    def _upsert(self) -> int:
        """The last row of each key wins; a row that is there already as it is stays untouched."""
        key, names = self.target.key, listed(self._columns)
        rest = [name for name in self._columns if name not in key]
        update = ""
        if rest:
            own = f"{TASK_COLUMN} = staged.{TASK_COLUMN}, {SYNCED_COLUMN} = staged.{SYNCED_COLUMN}"
            assignments = ", ".join(f"{quoted(name)} = staged.{quoted(name)}" for name in rest)
            differs = " OR ".join(f"kept.{quoted(name)} IS DISTINCT FROM staged.{quoted(name)}" for name in rest)
            update = f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {assignments}, {own}"
        return self._count(
            f"""
            MERGE INTO {self.target.qualified} AS kept
            USING (
                SELECT {names}, ?::VARCHAR AS {TASK_COLUMN}, now() AS {SYNCED_COLUMN} FROM {self._newest()}
            ) AS staged
            ON ({" AND ".join(f"kept.{quoted(name)} = staged.{quoted(name)}" for name in key)})
            {update}
            WHEN NOT MATCHED THEN INSERT ({with_own(names)})
                VALUES ({listed([*self._columns, TASK_COLUMN, SYNCED_COLUMN], prefix="staged.")})
            """,  # noqa: S608 -- quoted identifiers
            [self._task_id],
        )

    def _newest(self) -> str:
        """The staged rows, without those that a later one with the same key replaces."""
        key = self.target.key
        if not key:
            return self._name
        last = f"row_number() OVER (PARTITION BY {listed(key)} ORDER BY {ROW_COLUMN} DESC) = 1"
        return f"(SELECT * FROM {self._name} QUALIFY {last})"  # noqa: S608 -- quoted identifiers

    def _drop_rows_already_there(self) -> None:
        """Sources send rows at or before the bookmark again: as many equal rows as were there are not new.

        Only rows up to the highest cursor that the target had before this pass can have been there.
        """
        cursor = self.target.cursor
        if cursor is None:
            return
        column, fingerprint = quoted(cursor), f"to_json(struct_pack({listed(self._columns)}))::VARCHAR"
        if not self._remembers:
            self._remember_where_the_target_ends(cursor)
        again = f"SELECT min({column}) FROM {self._name}, {self._covered} WHERE {column} <= highest"  # noqa: S608 -- quoted identifiers
        if self._connection.execute(f"SELECT ({again}) IS NULL").fetchone() == (True,):
            return
        self._execute(
            f"""
            INSERT INTO {self._earlier}
            SELECT {fingerprint}, count(*) FROM {self.target.qualified}, {self._covered}
            WHERE {column} <= highest AND {column} >= ({again}) AND (lowest IS NULL OR {column} < lowest)
            GROUP BY 1
            """  # noqa: S608 -- quoted identifiers
        )
        self._execute(f"UPDATE {self._covered} SET lowest = least(lowest, ({again}))")  # noqa: S608 -- quoted identifiers
        self._execute(
            f"""
            CREATE OR REPLACE TEMPORARY TABLE {self._dropped} AS
            SELECT {ROW_COLUMN} AS staged_row, fingerprint FROM (
                SELECT {ROW_COLUMN}, {fingerprint} AS fingerprint,
                       row_number() OVER (PARTITION BY {fingerprint} ORDER BY {ROW_COLUMN}) AS nth
                FROM {self._name}, {self._covered} WHERE {column} <= highest
            ) JOIN {self._earlier} USING (fingerprint) WHERE nth <= left_over
            """  # noqa: S608 -- quoted identifiers
        )
        self._execute(f"DELETE FROM {self._name} WHERE {ROW_COLUMN} IN (SELECT staged_row FROM {self._dropped})")  # noqa: S608 -- quoted identifiers
        self._execute(
            f"""
            UPDATE {self._earlier} AS earlier SET left_over = left_over - copies
            FROM (SELECT fingerprint, count(*) AS copies FROM {self._dropped} GROUP BY fingerprint) AS counted
            WHERE earlier.fingerprint = counted.fingerprint
            """  # noqa: S608 -- quoted identifiers
        )

    def _remember_where_the_target_ends(self, cursor: str) -> None:
        column, kind = quoted(cursor), self._columns[cursor]
        end = f"SELECT max({column}) FROM {self.target.qualified}"  # noqa: S608 -- quoted identifiers
        self._execute(f"CREATE TEMPORARY TABLE {self._earlier} (fingerprint VARCHAR, left_over BIGINT)")
        self._execute(f"CREATE TEMPORARY TABLE {self._covered} AS SELECT ({end}) AS highest, NULL::{kind} AS lowest")
        self._remembers = True

    def _execute(self, statement: str) -> None:
        self._connection.execute(statement)

    def _count(self, statement: str, parameters: list[Any]) -> int:
        row = self._connection.execute(statement, parameters).fetchone()
        return int(row[0]) if row else 0


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    elif pa.types.is_decimal(kind):
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, kind)
