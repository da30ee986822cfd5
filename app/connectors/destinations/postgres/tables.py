"""The tables of a PostgreSQL schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.destinations.postgres import columns as types
from app.connectors.warehouse.layout import VALID_TO_COLUMN, column_list, quoted
from app.connectors.warehouse.tables import Tables
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.schema import Digits, Kind, Table
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.session import Session

_NAME_BYTES = 63
_UNIQUE = """
    SELECT indexrelid::regclass::text, conname
    FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
    WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indimmediate AND indexprs IS NULL
      AND pg_get_expr(indpred, indrelid) IS NOT DISTINCT FROM $3
      AND (SELECT array_agg(attname::text ORDER BY attname::text) FROM pg_attribute
           WHERE attrelid = indrelid AND attnum = ANY (indkey::smallint[])) = $2::text[]
"""
_COUNTS = f"({VALID_TO_COLUMN} IS NULL)"
"""In PostgreSQL's own notation."""


class PostgresTables(Tables):
    def __init__(self, session: Session, *, schema: str) -> None:
        super().__init__(session)
        self._schema = schema

    def make_schema(self) -> None:
        if self._session.row("SELECT to_regnamespace($1) IS NULL", quoted(self._schema)) == (True,):
            self._session.run(f"CREATE SCHEMA {quoted(self._schema)}")

    def qualified(self, name: str) -> str:
        return quoted(self._schema, name)

    def column_name(self, name: str) -> str:
        """Truncated as PostgreSQL would do it, so that two names that become one are noticed."""
        return name.encode()[:_NAME_BYTES].decode(errors="ignore")

    def name_key(self, name: str) -> str:
        return name

    def columns_of(self, name: str) -> dict[str, tuple[str, str]]:
        found = types.existing_columns(self._session, self.qualified(name))
        return {column: (column, kind) for column, kind in found}

    def _commented_columns(self, name: str, comment: str) -> list[str]:
        return types.commented_columns(self._session, self.qualified(name), comment)

    def new_type(self, kind: Kind, digits: Digits | None) -> str:
        return types.new_type(kind, digits)

    def column(self, name: str, type_name: str) -> Column:
        return types.column(name, type_name)

    def _refused_name(self, name: str) -> str | None:
        fits = name and len(name.encode()) <= _NAME_BYTES and "\0" not in name
        return None if fits else f"must have 1 to {_NAME_BYTES} bytes, without U+0000"

    def _comment(self, name: str) -> str | None:
        row = self._session.row(
            "SELECT coalesce(obj_description(found, 'pg_class'), '') FROM to_regclass($1) AS found "
            "WHERE found IS NOT NULL",
            self.qualified(name),
        )
        return None if row is None else str(row[0])

    def _add(self, qualified: str, columns: dict[str, str]) -> None:
        added = ", ".join(f"ADD COLUMN {quoted(name)} {kind}" for name, kind in columns.items())
        self._session.run(f"ALTER TABLE {qualified} {added}")

    def _create(self, qualified: str, table: Table, names: dict[str, str]) -> None:
        shape = self._definitions(table, names)
        if table.identity and table.mode is not WriteMode.HISTORY:
            shape.append(f"PRIMARY KEY ({column_list(names[field] for field in table.identity)})")
        self._session.run(f"CREATE TABLE {qualified} ({', '.join(shape)})")

    def _settle_key(self, qualified: str, table: Table, key: list[str]) -> None:
        """A table that keeps several rows of one key must not have a unique index on the key."""
        if not key:
            return
        if table.mode in (WriteMode.APPEND, WriteMode.HISTORY):
            while found := self._session.row(_UNIQUE, qualified, sorted(key), None):
                index, constraint = found
                dropped = f"ALTER TABLE {qualified} DROP CONSTRAINT {quoted(constraint)}" if constraint else None
                self._session.run(dropped or f"DROP INDEX {index}")
        if table.mode in (WriteMode.UPSERT, WriteMode.HISTORY):
            predicate = _COUNTS if table.mode is WriteMode.HISTORY else None
            if self._session.row(_UNIQUE, qualified, sorted(key), predicate) is None:
                where = f" WHERE {predicate}" if predicate else ""
                self._session.run(f"CREATE UNIQUE INDEX ON {qualified} ({column_list(key)}){where}")
