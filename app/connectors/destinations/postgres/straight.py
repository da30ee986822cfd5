"""Rows that go straight into their table, in the transaction that commits them, as nothing has to be compared first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.destinations.postgres.columns import TYPES
from app.connectors.destinations.postgres.rows import copy_binary
from app.connectors.warehouse.layout import SYNCED_COLUMN, TASK_COLUMN, own_columns
from app.connectors.warehouse.shrinkage import check_shrinkage
from app.domain.writing import SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.batches import Batch
    from app.connectors.destinations.postgres.connection import PostgresSession
    from app.connectors.warehouse.layout import Target

# COPY knows no rules and no policies, and fills other columns than INSERT.
_ORDINARY: Final = """
    SELECT 1 FROM pg_class
    WHERE oid = to_regclass($1) AND relkind = 'r'
        AND NOT (relispartition OR relhasrules OR relhastriggers OR relrowsecurity OR relhassubclass)
        AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = pg_class.oid AND NOT attisdropped AND (attidentity <> '' OR attgenerated <> '')
        )
"""


def can_go_straight(session: PostgresSession, target: Target) -> bool:
    """Whether rows need not be compared with each other or with those that are there, and no column has to change."""
    table = target.table
    if not table.in_bulk or not table.full_refresh or table.mode not in (WriteMode.REPLACE, WriteMode.APPEND):
        return False
    if table.identity and not table.unique_key:
        return False
    if table.partial or table.newest_by or table.delete_marker or table.inferred:
        return False
    # A value that does not fit would change a column that has rows in this very transaction.
    if table.schema_policy is SchemaPolicy.WIDEN:
        return False
    if target.pending:
        return target.is_new
    return session.row(_ORDINARY, target.qualified) is not None


class Straight:
    """The rows of one transaction, which has begun; `rows` counts them."""

    def __init__(self, session: PostgresSession, target: Target, *, task_id: str) -> None:
        self._session = session
        self._target = target
        self._replaced = 0
        self.rows = 0
        own = {name: TYPES.full_type(TYPES.new_type(kind, None)) for name, kind in own_columns(target.table).items()}
        self._types = {column.name: column.type for column in target.columns.values()} | own
        now = session.row("SELECT now() AT TIME ZONE 'UTC'")
        self._own = {
            TASK_COLUMN: pa.scalar(task_id, pa.string()),
            SYNCED_COLUMN: pa.scalar(now[0] if now else None, pa.timestamp("us")),
        }
        if self._replaces:
            # Not TRUNCATE, which would show an empty table to readers with an older snapshot.
            self._replaced = session.run(f"DELETE FROM {target.qualified}")  # noqa: S608 -- a quoted identifier

    @property
    def _replaces(self) -> bool:
        return self._target.table.mode is WriteMode.REPLACE and not self._target.table.gradual

    def add(self, batch: Batch) -> None:
        """Raises `ValueRefusedError`."""
        arrays = self._target.fit(batch)
        own = {name: pa.repeat(value, len(batch)) for name, value in self._own.items()}
        copy_binary(self._session, self._target.qualified, pa.record_batch(arrays | own), self._types)
        self.rows += len(batch)

    def check_shrinkage(self) -> None:
        """Raises `SynclineError` if too many rows were replaced by too few."""
        if self._replaces:
            check_shrinkage(self._target.table, had=lambda: self._replaced, sent=self.rows)
