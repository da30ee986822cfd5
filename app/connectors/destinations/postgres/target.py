"""A table of a PostgreSQL destination: made, widened and described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.destinations.layout import SYNCED_COLUMN, TASK_COLUMN, Target, column_names, listed, quoted
from app.connectors.destinations.postgres import columns as types
from app.connectors.destinations.postgres.bookmarks import exists
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from psycopg import Connection

    from app.connectors.schema import Table

_NAME_BYTES = 63
_UNIQUE_KEY = """
    SELECT 1 FROM pg_index
    WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indimmediate
      AND indpred IS NULL AND indexprs IS NULL
      AND (SELECT array_agg(attname::text ORDER BY attname::text) FROM pg_attribute
           WHERE attrelid = indrelid AND attnum = ANY (indkey::smallint[])) = $2::text[]
"""


def make_room(connection: Connection, *, schema: str, table: Table) -> Target:
    """Creates the table or adds what it lacks; inside a transaction that holds the destination's lock.

    Raises:
        ConfigurationError: a name does not fit, or the rows that are there contradict the primary key.
    """
    if len(table.name.encode()) > _NAME_BYTES or not table.name or "\0" in table.name:
        raise ConfigurationError(f"table_name {table.name!r} must have 1 to {_NAME_BYTES} bytes, without U+0000")
    names = column_names(table, fitted=_fitted, same=str)
    qualified = quoted(schema, table.name)
    if not exists(connection, qualified):
        _create(connection, qualified, table, names)
    present = types.existing_columns(connection, qualified)
    _widen(connection, qualified, table, names, present)
    if table.identity:
        _ensure_unique(connection, qualified, [names[field] for field in table.identity])
    present = types.existing_columns(connection, qualified)
    described = {field: types.column(name, present[name]) for field, name in names.items()}
    return Target(table=table, qualified=qualified, columns=described)


def _create(connection: Connection, qualified: str, table: Table, names: dict[str, str]) -> None:
    shape = [f"{quoted(name)} {types.NEW_TYPES[table.columns[field]]}" for field, name in names.items()]
    shape += [f"{TASK_COLUMN} text", f"{SYNCED_COLUMN} timestamptz"]
    if table.identity:
        shape.append(f"PRIMARY KEY ({listed(names[field] for field in table.identity)})")
    connection.execute(f"CREATE TABLE {qualified} ({', '.join(shape)})".encode())


def _widen(
    connection: Connection, qualified: str, table: Table, names: dict[str, str], present: dict[str, str]
) -> None:
    wanted = {name: types.NEW_TYPES[table.columns[field]] for field, name in names.items()}
    wanted |= {TASK_COLUMN: "text", SYNCED_COLUMN: "timestamptz"}
    added = [f"ADD COLUMN {quoted(name)} {kind}" for name, kind in wanted.items() if name not in present]
    if added:
        connection.execute(f"ALTER TABLE {qualified} {', '.join(added)}".encode())


def _ensure_unique(connection: Connection, qualified: str, key: list[str]) -> None:
    if connection.execute(_UNIQUE_KEY, [qualified, sorted(key)]).fetchone() is None:
        connection.execute(f"CREATE UNIQUE INDEX ON {qualified} ({listed(key)})".encode())


def _fitted(name: str) -> str:
    """As PostgreSQL itself would cut it, but known before two names become one."""
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")
