"""PostgreSQL as a destination: rows wait in temporary tables and arrive in one transaction with their bookmark."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg

from app.connectors.destinations.postgres.bookmarks import PostgresBookmark, application_name
from app.connectors.destinations.postgres.connection import PostgresSession, connect, translate_errors
from app.connectors.destinations.postgres.stage import PostgresStage
from app.connectors.destinations.postgres.straight import can_go_straight
from app.connectors.destinations.postgres.tables import PostgresTables
from app.connectors.warehouse.layout import quoted
from app.connectors.warehouse.warehouse import Warehouse
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.contract.passes import Fence, Log
    from app.connectors.destinations.postgres.options import PostgresDestinationOptions
    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.stage import Stage

T = TypeVar("T")

_WAIT_SECONDS: Final = 60.0
_TRY_MILLISECONDS: Final = 500
_PAUSE_SECONDS: Final = 1.0
_COUNT_SECONDS: Final = 10


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
        own_name = application_name(fence.task, fence.attempt, fence.claim)
        self._connection = connect(options, application_name=own_name, log=log)
        self._session = PostgresSession(self._connection)
        self._is_open = False
        self._unfilled: list[str] = []
        super().__init__(
            tables=PostgresTables(self._session, schema=self._schema, naming=options.naming),
            bookmark=PostgresBookmark(self._session, schema=self._schema, fence=fence),
            log=log,
        )

    def _prepare(self, stage: Stage) -> None:
        """Begins the transaction of rows that go straight into their table, which has to be there by then."""
        if not isinstance(stage, PostgresStage) or stage.waits or not can_go_straight(self._session, stage.target):
            return
        if stage.target.pending:
            self._unfilled.append(stage.target.table.name)
            self._settle(self._change_schema(partial(self._change, [stage])))
        self._session.run("BEGIN")
        self._is_open = True
        # A source may be slow.
        self._session.run("SET LOCAL idle_in_transaction_session_timeout = 0")
        stage.go_straight()

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        rows = super().commit(bookmark, final=final)
        if self._is_open:
            with self._translate_errors("cannot commit"):
                self._session.run("COMMIT")
                self._is_open = False
                self._unfilled.clear()
                self._release_tables()
        return rows

    def count_rows(self, table: str) -> int | None:
        """The server counts row by row: it may take seconds, but not minutes."""
        with self._connection.transaction():
            self._session.run(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'")
            return super().count_rows(table)

    def close(self) -> None:
        if self._unfilled and not self._connection.closed:
            with suppress(Exception):
                self._drop_unfilled()
        self._connection.close()

    def _drop_unfilled(self) -> None:
        """Drops the tables that were made for rows which have not arrived."""
        if self._is_open:
            self._session.run("ROLLBACK")
        with self._changing_schema():
            self._release_tables()
            for name in self._unfilled:
                self._tables.drop_unfinished(name)

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

    def _change_schema(self, work: Callable[[], T]) -> T:
        """Changes tables in short tries: whoever wants to read a table waits behind one that waits for it."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                with self._changing_schema():
                    self._session.run(f"SET LOCAL lock_timeout = '{_TRY_MILLISECONDS}ms'")
                    return work()
            except psycopg.errors.LockNotAvailable:
                if time.monotonic() > deadline:
                    raise SynclineError(
                        f"others kept the table in use for {_WAIT_SECONDS:g} s{self._users_of_tables()}"
                    ) from None
            time.sleep(_PAUSE_SECONDS)

    def _users_of_tables(self) -> str:
        """Who has open transactions on tables of the schema, as far as this user may see it."""
        rows = self._session.rows(
            """
            SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), a.usename, 'unknown'),
                   date_trunc('second', now() - a.xact_start)::text
            FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.granted AND a.pid <> pg_backend_pid()
              AND c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p')
            ORDER BY 1 LIMIT 3
            """,
            quoted(self._schema),
        )
        found = ", ".join(f"process {pid} ({name!r}, for {age})" for pid, name, age in rows)
        return f": {found}; end these transactions, or try again later" if found else ""

    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        return translate_errors(doing)

    def _stage(self, target: Target, *, number: int) -> PostgresStage:
        return PostgresStage(self._session, target, number=number, task_id=self._fence.task_id)
