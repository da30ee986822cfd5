"""Staged rows for DuckDB: a temporary table that spills to the attempt's directory.

A transaction of DuckDB can write to one database and to temporary tables, so these can change together with the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.destinations.duckdb.columns import TYPES
from app.connectors.values.forms import DIGIT, OFFSET, UNORDERED
from app.connectors.warehouse.layout import ROW_COLUMN, SYNCED_COLUMN, TASK_COLUMN, column_list, quoted, with_own
from app.connectors.warehouse.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from app.connectors.contract.batches import Batch
    from app.connectors.destinations.duckdb.file import TargetFile
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.layout import Target

_BATCH = "syncline_batch"
# A month equals 30 days to DuckDB.
_EQUAL_TO_OTHERS = frozenset({"INTERVAL"})
_TOP = "_syncline_top"
_HAS_VERSION = "_syncline_has_version"


class DuckdbStage(Stage):
    def __init__(self, file: TargetFile, target: Target, *, number: int, task_id: str) -> None:
        self._file = file
        self._connection = file.connection
        self._changed = self.temporary(f"syncline_changed_{number}")
        super().__init__(file, target, number=number, task_id=task_id)

    def widen(self, target: Target) -> None:
        self._file.make_room(more_columns=len(target.columns) - len(self.columns))
        super().widen(target)

    def add(self, batch: Batch, fields: AbstractSet[str]) -> None:
        rows = self._number_rows(batch, fields)
        self._file.make_room(batch_bytes=rows.nbytes)
        self._connection.register(_BATCH, pa.Table.from_batches([rows]))
        try:
            self._session.run(f"INSERT INTO {self.name} ({column_list(rows.schema.names)}) SELECT * FROM {_BATCH}")  # noqa: S608 -- quoted identifiers
        finally:
            self._connection.unregister(_BATCH)

    def _alteration(self, column: Column, staged: str) -> str:
        return TYPES.alteration(self.name, TYPES.column(column.name, staged), column.type)

    def release(self) -> None:
        self._file.make_room(more_columns=-len(self.columns))

    def temporary(self, name: str) -> str:
        return quoted("temp", name)

    def newest(self) -> str:
        key = self.target.key
        if not key:
            return self.name
        # Not with a window function, which would sort whole rows: this keeps only keys and numbers in memory.
        last = f"SELECT max({ROW_COLUMN}) FROM {self._highest()} GROUP BY {column_list(key)}"  # noqa: S608 -- quoted identifiers
        return f"(SELECT * FROM {self.name} WHERE {ROW_COLUMN} IN ({last}))"  # noqa: S608 -- quoted identifiers

    def _highest(self) -> str:
        """What to select from: for each key, the staged rows with the highest version.

        If none is the highest because they have several forms, all rows of the key that have a version.
        """
        key, version, form = column_list(self.target.key), self.version("staged"), self.form("staged")
        if version is None:
            return self.name
        top = f"max({version})" if form is None else f"CASE WHEN min({form}) = max({form}) THEN max({version}) END"
        summary = f"{top} AS {_TOP}, count({version}) > 0 AS {_HAS_VERSION}"
        tops = f"SELECT {key}, {summary} FROM {self.name} AS staged GROUP BY {key}"  # noqa: S608 -- quoted identifiers
        joined = f"{self.name} AS staged JOIN ({tops}) AS tops USING ({key})"
        among = f"({version} IS NOT NULL) = {_HAS_VERSION} AND ({_TOP} IS NULL OR {version} = {_TOP})"
        return f"(SELECT staged.* FROM {joined} WHERE {among})"  # noqa: S608 -- quoted identifiers

    def fingerprint(self) -> str:
        # New columns come last. Values are in quotes, so only NULLs are stripped.
        texts = ", ".join(f"{quoted(name)}::VARCHAR" for name in self.columns)
        return f"rtrim(to_json([{texts}])::VARCHAR, ',nul]')"

    def comparable(self, name: str, alias: str) -> str:
        value = super().comparable(name, alias)
        return f"{value}::VARCHAR" if self.columns[name] in _EQUAL_TO_OTHERS else value

    def _sort_expression(self, value: str, kind: str, path: tuple[str, ...]) -> str:
        """DuckDB's JSON is a string, in which 9 would sort after 10."""
        if kind != "JSON" and not path:
            return value
        argument = _json_argument(value, path)
        text = f"json_extract_string({argument})"
        number = f"CASE json_type({argument}) WHEN 'VARCHAR' THEN 0 ELSE coalesce(try_cast({text} AS DOUBLE), 0) END"
        return f"CASE WHEN {text} IS NOT NULL THEN row({number}, {text}) END"

    def _form(self, value: str, kind: str, path: tuple[str, ...]) -> str | None:
        if kind != "JSON" and not path:
            return _form(value) if kind == "VARCHAR" else None
        argument = _json_argument(value, path)
        text = f"json_extract_string({argument})"
        # All values that are not strings have the same form.
        return f"CASE WHEN json_type({argument}) = 'VARCHAR' THEN {_form(text)} WHEN {text} IS NOT NULL THEN '' END"

    def _upsert(self) -> int:
        """Deletes old rows and inserts new ones: UPDATE and MERGE would keep all changes in memory until the commit."""
        rest = [name for name in self.columns if name not in self.target.key]
        same = self.matches()
        differs = f"OR {self.differs(rest)}" if rest else ""
        others = self._other_columns()
        self._session.run(
            f"""
            CREATE OR REPLACE TEMPORARY TABLE {self._changed} AS
            SELECT DISTINCT ON (staged.{ROW_COLUMN})
                   {column_list([ROW_COLUMN], prefix="staged.")} {_more(others, "kept.")}
            FROM {self.newest()} AS staged LEFT JOIN {self.target.qualified} AS kept ON {same}
            WHERE kept.rowid IS NULL {differs}
            """  # noqa: S608 -- quoted identifiers
        )
        changed = f"{self.name} JOIN {self._changed} AS changed USING ({ROW_COLUMN})"
        self._session.run(
            f"""
            DELETE FROM {self.target.qualified} AS kept
            USING (SELECT {column_list(self.target.key)} FROM {changed}) AS staged WHERE {same}
            """  # noqa: S608 -- quoted identifiers
        )
        return self._session.run(
            f"""
            INSERT INTO {self.target.qualified} ({with_own(column_list(self.columns))} {_more(others)})
            SELECT {with_own(column_list(self.columns), "$1", "now()")} {_more(others, "changed.")} FROM {changed}
            """,  # noqa: S608 -- quoted identifiers
            self._task_id,
        )

    def _other_columns(self) -> list[str]:
        """Columns of the target that the source does not have (any more); they keep their values."""
        described = self._session.rows(f"DESCRIBE {self.target.qualified}")
        return [name for name, *_ in described if name not in {*self.columns, TASK_COLUMN, SYNCED_COLUMN}]


def _json_argument(value: str, path: tuple[str, ...]) -> str:
    """The arguments of DuckDB's JSON functions: the value, and a JSON pointer (RFC 6901)."""
    steps = [part.replace("~", "~0").replace("/", "~1").replace("'", "''") for part in path]
    return f"{value}::JSON, '{''.join(f'/{step}' for step in steps) or '$'}'"


def _form(text: str) -> str:
    zeros = f"regexp_replace({text}, '{DIGIT}', '0', 'g')"
    offset = f"regexp_extract({text}, '{OFFSET}', 1)"
    return f"CASE WHEN regexp_matches({text}, '{UNORDERED}') THEN {text} ELSE {zeros} || {offset} END"


def _more(names: list[str], prefix: str = "") -> str:
    return ", " + column_list(names, prefix=prefix) if names else ""
