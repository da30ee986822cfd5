"""The tables and views that a database has."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from app.connectors.contract.offers import column_types, cursor_candidates
from app.connectors.sources.sql.reading import Reading
from app.connectors.sources.sql.selection import Selection
from app.domain.attempt_protocol import Offered
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from app.connectors.contract.passes import Log
    from app.connectors.sources.sql.database import Database
    from app.connectors.sources.sql.dialect import FoundTable


def offers(database: Database, connection: Connection, schema: str | None, *, log: Log) -> Iterator[Offered]:
    """What is in `schema`, or in all of them; each column has the kind that reading it would give."""
    with database.translate_errors("cannot list the tables"):
        found = database.dialect.tables(connection, schema)
    for each in found:
        try:
            yield _offer(database, connection, each, schema, log)
        except SynclineError as error:
            # A table that this user may not read is left out.
            log("warn", str(error))


def _offer(database: Database, connection: Connection, found: FoundTable, schema: str | None, log: Log) -> Offered:
    selection = Selection(table=found.name, schema=found.schema or schema, query=None, cursor_field=None, key=())
    # In PostgreSQL a failed statement aborts the whole transaction.
    with connection.begin_nested() if database.dialect.savepoints else nullcontext():
        described = Reading(database, connection, selection, log=log).columns
    columns = {each.name: each.kind for each in described}
    digits = {each.name: each.digits for each in described if each.digits}
    never_null = columns if found.required is None else [name for name in columns if name in found.required]
    candidates = cursor_candidates(columns, among=never_null)
    return Offered(
        name=f"{found.schema}.{found.name}" if found.schema else found.name,
        columns=column_types(columns, digits),
        key=list(found.key),
        cursor_fields=candidates,
        sync_modes=["full_refresh", "incremental"] if candidates else ["full_refresh"],
    )
