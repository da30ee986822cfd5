"""The target's file, which one process at a time may write: opened only briefly, waited for with a deadline."""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from app.connectors.contract.batches import WRITE_BYTES
from app.connectors.warehouse.layout import quoted
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Log

TARGET = "syncline_target"
_WAIT_SECONDS = 120.0
_RETRY_SECONDS = 0.05
_LOCKED = re.compile(r"could not set lock on file|being used by another process", re.IGNORECASE)
_NOT_NULL = re.compile(r'NOT NULL constraint failed: "?(.+?)"?\."?(.+?)"?$')
# Enough for tables with some ten columns and common batches; an attempt then takes about 200 MB in all.
_MEGABYTES = 64
# Each column needs a block of a quarter of a megabyte in each of the tables that rows pass through.
_MEGABYTES_A_COLUMN = 0.75
_USUAL_COLUMNS = 16
_COPIES_OF_A_BATCH = 8


class TargetFile:
    """`connection` is the attempt's own database; inside `transaction` the target is attached to it as `TARGET`."""

    def __init__(self, path: str, *, name: str, work_dir: Path, log: Log, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._path = Path(path).absolute()
        self._literal = "'" + str(self._path).replace("'", "''") + "'"
        self._log = log
        self._wait_seconds = wait_seconds
        if not self._path.parent.is_dir():
            raise ConfigurationError(f"'path': the directory {str(self._path.parent)!r} does not exist")
        spill = work_dir / f"spill-{re.sub(r'[^A-Za-z0-9_]', '_', name)}"
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{_MEGABYTES}MB",
                "temp_directory": str(spill),
                "threads": 1,
                "autoinstall_known_extensions": False,
            },
        )
        self.connection.execute("SET TimeZone = 'UTC'")
        self._megabytes = _MEGABYTES
        self._columns = 0
        self._batch_bytes = 0

    def exists(self) -> bool:
        return self._path.exists()

    def make_room(self, *, more_columns: int = 0, batch_bytes: int = 0) -> None:
        """Raises DuckDB's memory limit for more columns and for larger batches; everything else goes to disk.

        Fewer columns leave room for others.
        """
        self._columns += more_columns
        self._batch_bytes = max(self._batch_bytes, batch_bytes)
        wide = max(0, self._columns - _USUAL_COLUMNS) * _MEGABYTES_A_COLUMN
        large = max(0, self._batch_bytes - WRITE_BYTES) / 2**20 * _COPIES_OF_A_BATCH
        megabytes = math.ceil(_MEGABYTES + wide + large)
        if megabytes > self._megabytes:
            self.connection.execute(f"SET memory_limit = '{megabytes}MB'")
            self._megabytes = megabytes

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Opens the target, commits at the end or rolls back, and closes the file again.

        Raises:
            SynclineError: another process kept the file for longer than the deadline.
        """
        self._attach()
        try:
            self.connection.begin()
            yield
            self.connection.commit()
        except BaseException:
            # On a full disk, DuckDB has rolled back already. Only the first error says so.
            with suppress(duckdb.Error):
                self.connection.rollback()
            with suppress(duckdb.Error):
                self._detach()
            raise
        self._detach()

    def run(self, statement: str, *parameters: Any) -> int:
        row = self.row(statement, *parameters)
        return row[0] if row and isinstance(row[0], int) else 0

    def row(self, statement: str, *parameters: Any) -> tuple[Any, ...] | None:
        return self.connection.execute(statement, list(parameters)).fetchone()

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, list(parameters)).fetchall()

    def close(self) -> None:
        self.connection.close()

    def _detach(self) -> None:
        self.connection.execute(f"DETACH {TARGET}")

    def _attach(self) -> None:
        deadline = time.monotonic() + self._wait_seconds
        waits = False
        while True:
            try:
                self.connection.execute(f"ATTACH {self._literal} AS {quoted(TARGET)}")
            except duckdb.IOException as error:
                if not _LOCKED.search(str(error)):
                    raise
                if time.monotonic() > deadline:
                    raise SynclineError(
                        f"{self._path} was in use by another process for {self._wait_seconds:g} s"
                    ) from None
                if not waits:
                    self._log("info", f"waiting for {self._path}, which another process has open: {_holder(error)}")
                waits = True
                time.sleep(_RETRY_SECONDS)
            else:
                return


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turns DuckDB's errors into Syncline's; `doing` says what failed."""
    try:
        yield
    except (duckdb.ConversionException, duckdb.ConstraintException, duckdb.CatalogException) as error:
        message = _one_line(error)
        if found := _NOT_NULL.search(message):
            message = (
                f"a row has NULL in column {found[2]!r} of table {found[1]!r}, which is NOT NULL there: drop that with "
                f"ALTER TABLE … ALTER COLUMN {quoted(found[2])} DROP NOT NULL, after indexes on the table, or fill the "
                "field at the source"
            )
        raise ConfigurationError(f"{doing}: {message}") from error
    except duckdb.OutOfMemoryException as error:
        # DuckDB's own advice does not help the user, and the next attempt would have no more memory.
        much = "more memory than an attempt may use, as for many rows of several megabytes in one commit"
        raise ConfigurationError(f"{doing}: DuckDB needs {much}: send smaller rows, or states more often") from error
    except duckdb.Error as error:
        raise SynclineError(f"{doing}: {_one_line(error)}") from error


def _holder(error: duckdb.IOException) -> str:
    found = re.search(r"held in (.+?\(PID \d+\))", str(error))
    return found[1] if found else "unknown"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
