"""What keeps DuckDB from changing or dropping a table, and what removes it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb

from app.connectors.destinations.duckdb.file import TARGET
from app.connectors.warehouse.layout import quoted
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.warehouse.session import Session

_REFUSALS: Final = (duckdb.CatalogException, duckdb.BinderException, duckdb.DependencyException)
_GENERATED: Final = re.compile(r'generated column "+(.+?)"+,')
_IS_GENERATED: Final = "Using generated columns in alter"
_INDEXES: Final = """
    SELECT schema_name, table_name, index_name FROM duckdb_indexes() WHERE database_name = $1 ORDER BY index_name
"""
_CONSTRAINTS: Final = """
    SELECT schema_name, table_name, constraint_text, constraint_column_names, referenced_table FROM duckdb_constraints()
    WHERE database_name = $1 AND constraint_type <> 'NOT NULL'
"""
_VIEWS: Final = "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $1"


def check_obstacles(session: Session, table: str, *, column: str) -> None:
    """Raises `ConfigurationError` if something keeps the type of the column from changing."""
    if advice := _advice(session, table, column):
        name = table.removeprefix(f"{quoted(TARGET)}.")
        raise ConfigurationError(f"cannot change table {name}: column {column!r} cannot get another type. {advice}")


@contextmanager
def naming_obstacles(session: Session, table: str, *, column: str | None = None) -> Iterator[None]:
    """Explains why a change of `table` (a quoted, qualified name) or its `column`, made inside, is refused.

    Raises:
        ConfigurationError: the user has to remove what is in the way; names it, and what removes it.
    """
    # Asked before, because the error may end the transaction.
    advice = _advice(session, table, column)
    try:
        yield
    except _REFUSALS as error:
        message = " ".join(str(error).split()).rstrip("!.")
        name = table.removeprefix(f"{quoted(TARGET)}.")
        if column is not None and _IS_GENERATED in message:
            dropped = f"ALTER TABLE {name} DROP COLUMN {quoted(column)}"
            advice = f"The column is generated, so nothing can be loaded into it: run {dropped}"
        elif found := _GENERATED.search(message):
            advice = f"Run ALTER TABLE {name} DROP COLUMN {quoted(found[1])}, and make it again after the next task"
        if not advice:
            raise
        raise ConfigurationError(f"cannot change table {name}: {message}. {advice}") from error


def _advice(session: Session, table: str, column: str | None) -> str:
    """What could be in the way of changing the column or, without one, of dropping the table; empty for nothing."""

    def is_it(schema: str, name: str) -> bool:
        return quoted(TARGET, schema, name).lower() == table.lower()

    if any(is_it(schema, name) for schema, name in session.rows(_VIEWS, TARGET)):
        return "It is a view: set another 'table_name'"
    constraints = session.rows(_CONSTRAINTS, TARGET)
    if column is None:
        found = [
            quoted(schema, name) for schema, name, _, _, other in constraints if other and is_it(schema, str(other))
        ]
        return f"Run DROP TABLE {'; DROP TABLE '.join(found)}, or make it without its foreign key" if found else ""
    if on_it := [
        quoted(schema, index) for schema, name, index in session.rows(_INDEXES, TARGET) if is_it(schema, name)
    ]:
        them = "it" if len(on_it) == 1 else "them"
        return f"Run DROP INDEX {'; DROP INDEX '.join(on_it)}, and make {them} again after the next task"
    for schema, name, text, columns, _ in constraints:
        if is_it(schema, name) and column.lower() in map(str.lower, columns):
            return (
                f"The column has the constraint {text}, which DuckDB cannot drop: run 'syncline sources reset --drop', "
                "after which the table is made anew without it"
            )
    return ""
