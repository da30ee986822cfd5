"""Tries a PostgreSQL destination in a transaction that is rolled back."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from app.connectors.destinations.postgres.connection import PostgresSession, connect, translate_errors
from app.connectors.destinations.postgres.stage import PostgresStage
from app.connectors.destinations.postgres.tables import PostgresTables
from app.connectors.warehouse.trial import try_table
from app.domain.naming import AS_IS

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.destinations.postgres.options import PostgresDestinationOptions


def try_out(
    options: PostgresDestinationOptions,
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,  # noqa: ARG001 -- rows wait in the database
    data_dir: Path,  # noqa: ARG001 -- it has no programs
    log: Log,
) -> None:
    with closing(connect(options, application_name="syncline destinations test", log=log)) as connection:
        session = PostgresSession(connection)
        tables = PostgresTables(session, schema=options.schema_, naming=AS_IS)
        doing = f"cannot write to schema {options.schema_!r}"
        with translate_errors(doing), connection.transaction(force_rollback=True):
            try_table(session, tables, lambda target: PostgresStage(session, target, number=0, task_id="trial"))
