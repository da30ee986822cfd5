"""Reads parts of a table as Arrow arrays, in the snapshot of another connection: binary COPY, decoded by a library.

ADBC's driver has its own libpq, so the connection gets its parameters from one that psycopg has made.
"""

from __future__ import annotations

import re
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import adbc_driver_manager
import adbc_driver_postgresql  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
from psycopg.conninfo import make_conninfo

from app.connectors.sources.sql.parts import ReadError
from app.connectors.sources.sql.postgres import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from app.connectors.sources.sql.parts import Part

_BATCH_BYTES: Final = 4 << 20
# What the driver writes around the server's own message.
_MESSAGE: Final = re.compile(r"(?:ERROR|FATAL):\s+(.*?)(?:\n\s*LINE \d|\n\nQuery was:|\. SQLSTATE:|$)", re.DOTALL)
# A statement lasts until its rows are taken, and a destination may take long.
_NO_LIMIT: Final = "SET LOCAL statement_timeout = 0"
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def export_snapshot(connection: Connection) -> tuple[str, str]:
    """The parameters of libpq with which to connect to the same server, and the snapshot of its transaction."""
    driver: Any = connection.connection.driver_connection
    info = driver.info
    given = {**info.get_parameters(), "host": info.host, "port": str(info.port), "client_encoding": "UTF8"}
    if info.hostaddr:
        given["hostaddr"] = info.hostaddr
    if info.password:
        given["password"] = info.password
    given.pop("load_balance_hosts", None)
    snapshot = str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())
    return make_conninfo(**given), snapshot


class PostgresReader:
    def __init__(self, conninfo: str, snapshot: str) -> None:
        self._is_open = True
        self._ending = threading.Lock()
        with _translated():
            self._database = adbc_driver_postgresql.connect(conninfo)
            self._connection = adbc_driver_manager.AdbcConnection(self._database)
            for statement in (_BEGIN, f"SET TRANSACTION SNAPSHOT '{snapshot}'", *SETTINGS, _NO_LIMIT):
                with closing(adbc_driver_manager.AdbcStatement(self._connection)) as running:
                    running.set_sql_query(statement)
                    running.execute_update()

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        with _translated(), closing(adbc_driver_manager.AdbcStatement(self._connection)) as running:
            running.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            running.set_sql_query(part.statement)
            stream, _ = running.execute_query()
            with pa.RecordBatchReader._import_from_c(stream.address) as batches:  # noqa: SLF001 -- ADBC's own way
                yield from (batch for batch in batches if batch.num_rows)

    def cancel(self) -> None:
        # The library does not look whether the connection is being closed by another thread.
        with self._ending, suppress(adbc_driver_manager.Error):
            if self._is_open:
                self._connection.cancel()

    def close(self) -> None:
        with self._ending, suppress(adbc_driver_manager.Error, RuntimeError):
            self._is_open = False
            self._connection.close()
            self._database.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (adbc_driver_manager.Error, OSError) as error:
        found = _MESSAGE.search(str(error))
        raise ReadError(found[1] if found else str(error), getattr(error, "sqlstate", None) or "") from None
