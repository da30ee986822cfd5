"""Rows on their way to DuckDB: a temporary table that spills to the attempt's directory.

A transaction of DuckDB writes to one database only, and to temporary tables: so these can change with the target.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.destinations.duckdb.tables import arrow_type
from app.connectors.destinations.layout import ROW_COLUMN, SYNCED_COLUMN, TASK_COLUMN, listed, quoted, with_own
from app.connectors.destinations.staging import Stage

if TYPE_CHECKING:
    from app.connectors.destinations.duckdb.file import TargetFile
    from app.connectors.destinations.layout import Target

_BATCH = "syncline_batch"


class DuckdbStage(Stage):
    def __init__(self, file: TargetFile, target: Target, *, number: int, task_id: str) -> None:
        super().__init__(file, target, number=number, task_id=task_id)
        self._connection = file.connection
        self._rows = 0

    def add(self, records: list[dict[str, Any]]) -> None:
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
            self._session.run(f"INSERT INTO {self.name} ({listed(names)}) SELECT * FROM {_BATCH}")  # noqa: S608 -- quoted identifiers
        finally:
            self._connection.unregister(_BATCH)

    def temporary(self, name: str) -> str:
        return quoted("temp", name)

    def newest(self) -> str:
        key = self.target.key
        if not key:
            return self.name
        last = f"row_number() OVER (PARTITION BY {listed(key)} ORDER BY {ROW_COLUMN} DESC) = 1"
        return f"(SELECT * FROM {self.name} QUALIFY {last})"  # noqa: S608 -- quoted identifiers

    def fingerprint(self) -> str:
        return f"to_json(struct_pack({listed(self.columns)}))::VARCHAR"

    def _upsert(self) -> int:
        key, names = self.target.key, listed(self.columns)
        rest = [name for name in self.columns if name not in key]
        update = ""
        if rest:
            assigned = (*rest, TASK_COLUMN, SYNCED_COLUMN)
            assignments = ", ".join(f"{quoted(name)} = staged.{quoted(name)}" for name in assigned)
            update = f"WHEN MATCHED AND {self.differs(rest)} THEN UPDATE SET {assignments}"
        return self._session.run(
            f"""
            MERGE INTO {self.target.qualified} AS kept
            USING (
                SELECT {names}, $1::VARCHAR AS {TASK_COLUMN}, now() AS {SYNCED_COLUMN} FROM {self.newest()}
            ) AS staged
            ON ({" AND ".join(f"kept.{quoted(name)} = staged.{quoted(name)}" for name in key)})
            {update}
            WHEN NOT MATCHED THEN INSERT ({with_own(names)})
                VALUES ({listed([*self.columns, TASK_COLUMN, SYNCED_COLUMN], prefix="staged.")})
            """,  # noqa: S608 -- quoted identifiers
            self._task_id,
        )


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    elif pa.types.is_decimal(kind):
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, kind)
