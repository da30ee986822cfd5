"""The tables of a PostgreSQL schema."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from app.connectors.destinations.postgres import columns
from app.connectors.destinations.postgres.fillable import check_can_be_filled
from app.connectors.destinations.postgres.obstacles import Change, check_obstacles, naming_obstacles
from app.connectors.warehouse.layout import VALID_TO_COLUMN, column_list, own_columns, quoted
from app.connectors.warehouse.tables import REQUIRED, Tables
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.postgres.connection import PostgresSession
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.changes import Step
    from app.connectors.warehouse.layout import Target
    from app.domain.naming import Naming

_NAME_BYTES = 63
_UNIQUE = """
    SELECT indexrelid::regclass::text, conname, indisprimary,
           indisprimary AND conname = owner.relname || '_pkey' AND pg_has_role(owner.relowner, 'USAGE'),
           pg_get_expr(indpred, indrelid),
           obj_description(indexrelid, 'pg_class'),
           (SELECT array_agg(attname::text ORDER BY attname::text) FROM pg_attribute
            WHERE attrelid = indrelid AND attnum = ANY (indkey::smallint[]))
    FROM pg_index JOIN pg_class AS owner ON owner.oid = indrelid
        LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
    WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indimmediate AND indexprs IS NULL
    ORDER BY indexrelid
"""
_DEPENDENTS = """
    SELECT 1 FROM pg_depend
    WHERE refclassid = 'pg_class'::regclass AND refobjid = to_regclass($1) AND deptype = 'n' LIMIT 1
"""
_NO_CREATOR = "SELECT quote_ident(current_user) WHERE NOT has_schema_privilege(to_regnamespace($1), 'CREATE')"
# In the database that has the table; 1 sets it apart from the lock on schemas.
_RESERVED = "hashtextextended('syncline:' || $1, 1)"
_LOCK_MILLISECONDS = 500
_LOOK_SECONDS = 2
_KEY = "syncline: the key of the rows"
"""The comment of a unique index that follows the key of the collection."""
_COUNTS = f"({VALID_TO_COLUMN} IS NULL)"
"""In PostgreSQL's own notation."""


class _Unique(NamedTuple):
    """A unique index, by its quoted `name`; `columns` are in alphabetical order.

    `is_earlier_key` if it may be one that a release before this has made, which wrote no comment.
    """

    name: str
    constraint: str | None
    is_primary: bool
    is_earlier_key: bool
    predicate: str | None
    comment: str | None
    columns: list[str]


class PostgresTables(Tables):
    def __init__(self, session: PostgresSession, *, schema: str, naming: Naming) -> None:
        super().__init__(session, columns.TYPES, naming=naming)
        self._postgres = session
        self._schema = schema
        self._new_indexes: dict[str, list[str]] = {}

    def make_schema(self) -> None:
        if self._session.row("SELECT to_regnamespace($1) IS NULL", quoted(self._schema)) == (True,):
            self._session.run(f"CREATE SCHEMA {quoted(self._schema)}")

    def qualified(self, name: str) -> str:
        return quoted(self._schema, name)

    def column_name(self, name: str) -> str:
        """Truncated as PostgreSQL would do it, so that two names that become one are noticed."""
        return self._named(name).encode()[:_NAME_BYTES].decode(errors="ignore")

    def name_key(self, name: str) -> str:
        return name

    def columns_of(self, name: str) -> dict[str, tuple[str, str]]:
        found = columns.existing_columns(self._session, self.qualified(name))
        return {column: (column, kind) for column, kind in found}

    def _commented_columns(self, name: str, comment: str) -> list[str]:
        return columns.commented_columns(self._session, self.qualified(name), comment)

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

    def _creating(self, qualified: str, table: Table, names: dict[str, str]) -> Step:
        if login := self._session.row(_NO_CREATOR, quoted(self._schema)):
            raise ConfigurationError(
                f"table {table.name!r} does not exist, and this login may not create it: run "
                f"GRANT CREATE ON SCHEMA {quoted(self._schema)} TO {login[0]}"
            )
        shape = self._definitions(table, names)
        if table.identity and table.mode is WriteMode.UPSERT:
            shape.append(f"PRIMARY KEY ({column_list(names[field] for field in table.identity)})")
        return partial(self._session.run, f"CREATE TABLE {qualified} ({', '.join(shape)})")

    def _adding(self, qualified: str, columns: dict[str, str]) -> list[Step]:
        added = ", ".join(f"ADD COLUMN {quoted(name)} {type_}" for name, type_ in columns.items())
        return [self._checked(Change("add", qualified, lambda table: f"ALTER TABLE {table} {added}"))]

    def _retyping(self, qualified: str, column: Column, type_: str) -> Step:
        statement = partial(self.types.alteration, column=column, type_=type_)
        return self._checked(Change("retype", qualified, statement, column.name))

    def _relaxing(self, qualified: str, column: str) -> Step:
        return partial(self._make, _relaxation(qualified, column))

    def drop(self, name: str) -> None:
        self._make(Change("drop", self.qualified(name), lambda table: f"DROP TABLE IF EXISTS {table}"))

    def make_room(self, table: Table) -> Target:
        self._new_indexes.pop(self.qualified(table.name), None)
        return super().make_room(table)

    def added(self, name: str) -> list[str]:
        return super().added(name) + self._new_indexes.get(self.qualified(name), [])

    def check_can_be_filled(self, target: Target) -> None:
        written = {each.name for each in target.columns.values()} | own_columns(target.table).keys()
        check_can_be_filled(self._session, target, written=written, required_comment=REQUIRED, key_comment=_KEY)

    def take_back(self, name: str) -> list[str]:
        """Columns stay that others may have filled meanwhile, or if it takes long to find out whether they have."""
        qualified = self.qualified(name)
        added, indexes = self._added.get(name, []), self._new_indexes.get(qualified, [])
        if not (added or indexes) or not self.exists(name):
            return []
        if not self._lock(qualified):
            return self.added(name)
        self._session.run(f"SET LOCAL statement_timeout = '{_LOOK_SECONDS}s'")
        for index in indexes:
            self._session.run(f"DROP INDEX IF EXISTS {index}")
        filled = " OR ".join(f"{quoted(each)} IS NOT NULL" for each in added)
        if added and self._session.row(f"SELECT 1 FROM {qualified} WHERE {filled} LIMIT 1"):  # noqa: S608 -- quoted identifiers
            return added
        if added:
            dropped = ", ".join(f"DROP COLUMN IF EXISTS {quoted(each)}" for each in added)
            self._session.run(f"ALTER TABLE {qualified} {dropped}")
        return []

    def _checked(self, change: Change) -> Step:
        check_obstacles(self._postgres, change)
        return partial(self._make, change)

    def _make(self, change: Change) -> None:
        with naming_obstacles(self._postgres, change):
            self._session.run(change.statement(change.table))

    def reserve(self, name: str) -> None:
        self._session.row(f"SELECT pg_advisory_lock_shared({_RESERVED})", self.qualified(name))

    def release(self, name: str) -> None:
        self._session.row(f"SELECT pg_advisory_unlock_shared({_RESERVED})", self.qualified(name))

    def _lock(self, qualified: str) -> bool:
        if self._session.row(f"SELECT pg_try_advisory_xact_lock({_RESERVED})", qualified) != (True,):
            return False
        self._session.run(f"SET LOCAL lock_timeout = '{_LOCK_MILLISECONDS}ms'")
        self._session.run(f"LOCK TABLE {qualified} IN ACCESS EXCLUSIVE MODE")
        return True

    def _has_dependents(self, qualified: str) -> bool:
        return self._session.row(_DEPENDENTS, qualified) is not None

    def _key_steps(self, qualified: str, table: Table, key: list[str]) -> list[Step]:
        """Keep a unique index on the key where each has only one row, and remove those of earlier keys.

        A replacement gets no new one: it may be what removes the rows that contradict a new key.
        """
        keeps_several = table.mode in (WriteMode.APPEND, WriteMode.HISTORY)
        predicate = _COUNTS if table.mode is WriteMode.HISTORY else None
        has_one = False
        steps: list[Step] = []
        for index in self._unique_indexes(qualified):
            is_on_key = index.columns == sorted(key) and index.predicate in (None, _COUNTS)
            if is_on_key and index.predicate == predicate and table.mode is not WriteMode.APPEND:
                has_one = True
                if index.is_earlier_key and index.comment is None:
                    steps.append(partial(self._claim_unique, index))
            elif index.comment == _KEY or (is_on_key and keeps_several):
                steps += self._dropping_unique(qualified, index)
        if key and not has_one and table.mode in (WriteMode.UPSERT, WriteMode.HISTORY):
            steps.append(self._adding_unique(qualified, table, key, predicate))
        return steps

    def _unique_indexes(self, qualified: str) -> list[_Unique]:
        return [_Unique(*row) for row in self._session.rows(_UNIQUE, qualified)]

    def _claim_unique(self, index: _Unique) -> None:
        self._session.run(f"COMMENT ON INDEX {index.name} IS '{_KEY}'")

    def _dropping_unique(self, qualified: str, index: _Unique) -> list[Step]:
        dropped = f"DROP INDEX {index.name}"
        if index.constraint is not None:
            dropped = f"ALTER TABLE {qualified} DROP CONSTRAINT {quoted(index.constraint)}"
        # A primary key leaves NOT NULL behind.
        relaxations = [_relaxation(qualified, name) for name in index.columns if index.is_primary]
        changes = [Change("unkey", qualified, lambda _: dropped, index.name), *relaxations]
        return [partial(self._make, change) for change in changes]

    def _adding_unique(self, qualified: str, table: Table, key: list[str], predicate: str | None) -> Step:
        where = f" WHERE {predicate}" if predicate else ""
        change = Change("index", qualified, lambda name: f"CREATE UNIQUE INDEX ON {name} ({column_list(key)}){where}")
        check_obstacles(self._postgres, change)
        return partial(self._add_unique, change, table, key, predicate)

    def _add_unique(self, change: Change, table: Table, key: list[str], predicate: str | None) -> None:
        try:
            self._make(change)
        except psycopg.errors.UniqueViolation as error:
            raise ConfigurationError(
                f"table {table.name!r} has several rows with the same values of {', '.join(map(repr, key))}, which "
                f"therefore cannot become its key ({error.diag.message_detail}): run 'syncline sources "
                f"{'reset --drop' if table.mode is WriteMode.HISTORY else 'reset'}', which replaces the rows, or set "
                "another key"
            ) from None
        for index in self._unique_indexes(change.table):
            if index.columns == sorted(key) and index.predicate == predicate and index.comment is None:
                self._claim_unique(index)
                self._new_indexes.setdefault(change.table, []).append(index.name)


def _relaxation(table: str, column: str) -> Change:
    def statement(table: str) -> str:
        return f"ALTER TABLE {table} ALTER COLUMN {quoted(column)} DROP NOT NULL"

    return Change("relax", table, statement, column)
