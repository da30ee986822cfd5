"""Staged rows for PostgreSQL: they are copied into a temporary table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from app.connectors.destinations.postgres import columns
from app.connectors.destinations.postgres.connection import describe
from app.connectors.destinations.postgres.rows import copy_rows
from app.connectors.destinations.postgres.straight import Straight
from app.connectors.warehouse.layout import ROW_COLUMN, SYNCED_COLUMN, TASK_COLUMN, column_list, quoted, with_own
from app.connectors.warehouse.stage import Stage
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from app.connectors.contract.batches import Batch
    from app.connectors.destinations.postgres.connection import PostgresSession
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.layout import Target


class PostgresStage(Stage):
    def __init__(self, session: PostgresSession, target: Target, *, number: int, task_id: str) -> None:
        self._postgres = session
        self._straight: Straight | None = None
        super().__init__(session, target, number=number, task_id=task_id)

    @property
    def is_straight(self) -> bool:
        """Whether rows go straight into the target."""
        return self._straight is not None

    def go_straight(self) -> None:
        """From now on, until they move, rows go straight into the target, in a transaction that has begun."""
        self._straight = Straight(self._postgres, self.target, task_id=self._task_id)

    def widen(self, target: Target) -> None:
        if self.is_straight and (target.pending or target.columns != self.target.columns):
            raise SynclineError(f"the columns of table {target.table.name!r} have changed while rows were read for it")
        super().widen(target)

    def add(self, batch: Batch, fields: AbstractSet[str]) -> None:
        if self._straight is not None:
            self._straight.add(batch)
            self.waits = True
            return
        copy_rows(self._postgres, self.name, self._number_rows(batch, fields))

    def move(self) -> int:
        if self._straight is not None:
            straight, self._straight = self._straight, None
            self.waits = False
            self.has_rows = self.has_rows or straight.rows > 0
            straight.check_shrinkage()
            return straight.rows
        try:
            return super().move()
        except (psycopg.errors.UndefinedColumn, psycopg.errors.InvalidColumnReference) as error:
            # With a context it is a trigger's function that refers to what there is not.
            if error.diag.context:
                raise
            raise SynclineError(
                f"table {self.target.table.name!r} has lost a column or its key since this attempt has looked at it "
                f"({describe(error)}): others have removed it, or an attempt that had added it has failed. The next "
                "attempt adds what is missing"
            ) from error

    def _alteration(self, column: Column, staged: str) -> str:
        return columns.TYPES.alteration(self.name, columns.TYPES.column(column.name, staged), column.type)

    def temporary(self, name: str) -> str:
        return quoted("pg_temp", name)

    def newest(self) -> str:
        if not self.target.key:
            return self.name
        key, version, form = column_list(self.target.key), self.version("staged"), self.form("staged")
        order = key if version is None else f"{key}, {version} DESC NULLS LAST"
        if form is not None:
            forms = f"min({form}) OVER (PARTITION BY {key}) = max({form}) OVER (PARTITION BY {key})"
            order = f"{key}, {version} IS NULL, CASE WHEN {forms} THEN {version} END DESC NULLS LAST"
        return f"(SELECT DISTINCT ON ({key}) * FROM {self.name} AS staged ORDER BY {order}, {ROW_COLUMN} DESC)"  # noqa: S608 -- quoted identifiers

    def fingerprint(self) -> str:
        # New columns come last. Values that end like this are in quotes, so only NULLs are stripped.
        values = [columns.equal_text(quoted(name), kind) for name, kind in self.columns.items()]
        return f"rtrim(ROW({', '.join(values)})::text, ',)')"

    def comparable(self, name: str, alias: str) -> str:
        value = super().comparable(name, alias)
        return value if columns.is_comparable(self.columns[name]) else f"{value}::text"

    def _sort_expression(self, value: str, kind: str, path: tuple[str, ...]) -> str:
        return columns.sort_expression(value, kind, path)

    def _form(self, value: str, kind: str, path: tuple[str, ...]) -> str | None:
        return columns.form(value, kind, path)

    def _upsert(self) -> int:
        key = self.target.key
        names = column_list(self.columns)
        rest = [name for name in self.columns if name not in key]
        changed = "NOTHING"
        if rest:
            assigned = (*rest, TASK_COLUMN, SYNCED_COLUMN)
            assignments = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in assigned)
            changed = f"UPDATE SET {assignments} WHERE {self.differs(rest, coming='excluded')}"
        return self._session.run(
            f"""
            INSERT INTO {self.target.qualified} AS kept ({with_own(names)})
            SELECT {with_own(names, "$1", "now()")} FROM {self.newest()} AS staged
            ON CONFLICT ({column_list(key)}) DO {changed}
            """,  # noqa: S608 -- quoted identifiers
            self._task_id,
        )
