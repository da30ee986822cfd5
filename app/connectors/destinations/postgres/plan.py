"""Describes tables of PostgreSQL as a load would make them, those that exist included."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from app.connectors.destinations.postgres.connection import PostgresSession, connect, translate_errors
from app.connectors.destinations.postgres.tables import PostgresTables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.connectors.contract.passes import DescribedTable, Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.postgres.options import PostgresDestinationOptions


def plan_tables(
    options: PostgresDestinationOptions,
    tables: Sequence[Table],
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,  # noqa: ARG001 -- no file is needed
    log: Log,
) -> list[DescribedTable]:
    with closing(connect(options, application_name="syncline sources preview", log=log)) as connection:
        known = PostgresTables(PostgresSession(connection), schema=options.schema_, naming=options.naming)
        with translate_errors("cannot look at tables"), connection.transaction(force_rollback=True):
            return [_plan(known, table) for table in tables]


def _plan(known: PostgresTables, table: Table) -> DescribedTable:
    target = known.plan(table)
    if not target.is_new:
        known.check_can_be_filled(target)
    return target.description()
