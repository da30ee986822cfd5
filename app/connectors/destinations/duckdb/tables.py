"""The tables of a DuckDB file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.connectors.destinations.duckdb.columns import INTEGERS, TYPES
from app.connectors.destinations.duckdb.file import TARGET
from app.connectors.destinations.duckdb.obstacles import check_obstacles, naming_obstacles
from app.connectors.values import casting
from app.connectors.warehouse.layout import quoted
from app.connectors.warehouse.tables import Tables
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from app.connectors.contract.schema import Table
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.changes import Step
    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.session import Session
    from app.domain.naming import Naming


def existing_columns(session: Session, schema: str, table: str) -> list[tuple[str, str]]:
    """Name and type of each column of a table of the target; empty if there is no such table."""
    found = session.rows(
        """
        SELECT column_name, data_type FROM duckdb_columns()
        WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
        """,
        *(TARGET, schema, table),
    )
    return [(name, kind) for name, kind in found]


class DuckdbTables(Tables):
    def __init__(self, session: Session, *, schema: str, naming: Naming) -> None:
        super().__init__(session, TYPES, naming=naming)
        self._schema = schema

    def make_schema(self) -> None:
        self._session.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(TARGET, self._schema)}")

    def qualified(self, name: str) -> str:
        return quoted(TARGET, self._schema, name)

    def name_for_users(self, name: str) -> str:
        return quoted(self._schema, name)

    def column_name(self, name: str) -> str:
        return self._named(name)

    def name_key(self, name: str) -> str:
        """DuckDB ignores the case of names."""
        return name.lower()

    def check_can_be_filled(self, target: Target) -> None:
        """A row that DuckDB refuses fails the commit, which changes the table, too: so nothing is left behind."""

    def columns_of(self, name: str) -> dict[str, tuple[str, str]]:
        found = existing_columns(self._session, self._schema, name)
        return {column.lower(): (column, kind) for column, kind in found}

    def _commented_columns(self, name: str, comment: str) -> list[str]:
        found = self._session.rows(
            """
            SELECT column_name FROM duckdb_columns()
            WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
              AND comment = $4
            """,
            *(TARGET, self._schema, name, comment),
        )
        return [column for (column,) in found]

    def _can_relax(self, name: str) -> bool:
        """DuckDB does not change columns of a table with indexes; a NULL that comes then is refused with what to do."""
        return not self._indexes(name)

    def _indexes(self, name: str) -> list[str]:
        """The quoted names of the table's indexes."""
        found = self._session.rows(
            """
            SELECT index_name FROM duckdb_indexes()
            WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
            ORDER BY index_name
            """,
            *(TARGET, self._schema, name),
        )
        return [quoted(self._schema, index) for (index,) in found]

    def _refused_name(self, name: str) -> str | None:
        return None if name and "\0" not in name else "must not be empty or contain U+0000"

    def _comment(self, name: str) -> str | None:
        row = self._session.row(
            """
            SELECT coalesce(comment, '') FROM duckdb_tables()
            WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
            """,
            *(TARGET, self._schema, name),
        )
        return None if row is None else str(row[0])

    def _creating(self, qualified: str, table: Table, names: dict[str, str]) -> Step:
        return partial(self._session.run, f"CREATE TABLE {qualified} ({', '.join(self._definitions(table, names))})")

    def _adding(self, qualified: str, columns: dict[str, str]) -> list[Step]:
        return [
            partial(self._alter, qualified, name, f"ALTER TABLE {qualified} ADD COLUMN {quoted(name)} {type_}")
            for name, type_ in columns.items()
        ]

    def _retyping(self, qualified: str, column: Column, type_: str) -> Step:
        check_obstacles(self._session, qualified, column=column.name)
        return partial(self._retype, qualified, column, type_)

    def _retype(self, qualified: str, column: Column, type_: str) -> None:
        if isinstance(column.holds, casting.Floating) and type_ in INTEGERS:
            self._check_integers(qualified, column)
        self._alter(qualified, column.name, self.types.alteration(qualified, column, type_))

    def _check_integers(self, qualified: str, column: Column) -> None:
        """DuckDB would round. An expression in the statement would see rows that are deleted, too."""
        name = quoted(column.name)
        if self._session.row(f"SELECT 1 FROM {qualified} WHERE {name} <> trunc({name}) LIMIT 1"):  # noqa: S608 -- quoted identifiers
            raise SynclineError(f"column {column.name!r} has got fractions while rows were read for it")

    def _relaxing(self, qualified: str, column: str) -> Step:
        statement = f"ALTER TABLE {qualified} ALTER COLUMN {quoted(column)} DROP NOT NULL"
        return partial(self._alter, qualified, column, statement)

    def _alter(self, qualified: str, column: str, statement: str) -> None:
        with naming_obstacles(self._session, qualified, column=column):
            self._session.run(statement)

    def drop(self, name: str) -> None:
        with naming_obstacles(self._session, self.qualified(name)):
            super().drop(name)

    def reserve(self, name: str) -> None:
        """Nothing to do: tables are made and filled in one transaction."""

    def release(self, name: str) -> None:
        """Nothing was reserved."""

    def _lock(self, qualified: str) -> bool:  # noqa: ARG002 -- nobody else can have the file open
        return True

    def _has_dependents(self, qualified: str) -> bool:  # noqa: ARG002 -- views do not keep a table from being dropped
        return False

    def _key_steps(self, qualified: str, table: Table, key: list[str]) -> list[Step]:  # noqa: ARG002
        """No index: joins do not need one, and DuckDB keeps indexes in memory."""
        return []
