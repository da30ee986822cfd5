"""PostgreSQL as a destination: rows wait in temporary tables and arrive in one transaction with their bookmark."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.connectors.destinations.postgres.bookmarks import PostgresBookmark, application_name
from app.connectors.destinations.postgres.connection import PostgresSession, connect, translate_errors
from app.connectors.destinations.postgres.stage import PostgresStage
from app.connectors.destinations.postgres.tables import PostgresTables
from app.connectors.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.contract.passes import Fence, Log
    from app.connectors.destinations.postgres.options import PostgresDestinationOptions
    from app.connectors.warehouse.layout import Target


class PostgresDestination(Warehouse):
    def __init__(
        self,
        options: PostgresDestinationOptions,
        fence: Fence,
        *,
        name: str,  # noqa: ARG002 -- its errors do not need it
        work_dir: Path,  # noqa: ARG002 -- rows wait in the database
        log: Log,
    ) -> None:
        self._schema = options.schema_
        self._fence = fence
        self._connection = connect(options, application_name=application_name(fence.task, fence.attempt, fence.claim))
        self._session = PostgresSession(self._connection)
        super().__init__(
            tables=PostgresTables(self._session, schema=self._schema),
            bookmark=PostgresBookmark(self._session, schema=self._schema, fence=fence),
            log=log,
        )

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connection.transaction():
            yield

    @contextmanager
    def _changing_schema(self) -> Iterator[None]:
        """Concurrent changes of a schema fail instead of waiting, so they take turns."""
        with self._connection.transaction():
            self._session.row("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"syncline:{self._schema}")
            yield

    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        return translate_errors(doing)

    def _stage(self, target: Target, *, number: int) -> PostgresStage:
        return PostgresStage(self._session, target, number=number, task_id=self._fence.task_id)
