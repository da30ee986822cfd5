"""A database to read from: one connection, one transaction, and errors in one line without a password."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import NullPool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.connectors.contract.keepalive import keep_alive
from app.connectors.contract.logins import Login
from app.connectors.contract.refusals import LASTING_CLASSES, LASTING_REFUSALS, is_login_refusal
from app.connectors.options.passfile import reads_passfile
from app.connectors.sources.sql.options import driver_url
from app.connectors.sources.sql.parts import ReadError
from app.connectors.sources.sql.reflected import Reflected
from app.connectors.sources.sql.snapshot_age import SnapshotAge
from app.connectors.sources.sql.values import NotInJsonError
from app.connectors.values.repeats import RepeatedNameError
from app.domain.errors import ConfigurationError, LoginRefusedError, SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL, Connection

    from app.connectors.contract.passes import Log
    from app.connectors.sources.sql.dialect import Dialect
    from app.connectors.sources.sql.options import SqlOptions

# Drivers' own words; trying again does not help.
_PERMANENT = (
    "no such table",
    "no such column",
    "syntax error",
    "file is not a database",
    "not a valid DuckDB database",
    *LASTING_REFUSALS,
)

# https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
_CONFLICT_STATES = ("40001", "57P01")
_RECOVERY_CONFLICT = (
    "the standby needed what this reading still saw. The next attempt goes on from the last commit; if this happens "
    "often, set 'hot_standby_feedback = on' or a longer 'max_standby_streaming_delay' there"
)


class Database:
    def __init__(self, options: SqlOptions, *, name: str = "syncline", work_dir: Path, log: Log) -> None:
        """The server shows the session under `name`, if the database and its driver can."""
        url_text = options.url.get_secret_value()
        self._redact = Redactor(secrets_in(url_text)).redact
        url = make_url(driver_url(url_text))
        self.dialect = _dialect(url)
        self._arguments = self.dialect.arguments(url, work_dir) | self.dialect.session_name(url, name)
        self._log = log
        self._age: SnapshotAge | None = None
        has_password = url.password is not None or "password" in url.query
        is_postgres = url.get_backend_name() == "postgresql"
        may_change = options.from_files or (is_postgres and not has_password and reads_passfile(url.query))
        self._login = Login(None, options.password_command, may_change=may_change, log=log)
        self._engine = create_engine(
            self.dialect.address(url), connect_args=self._arguments, poolclass=NullPool, hide_parameters=True
        )
        event.listen(self._engine, "do_connect", self._connect)
        event.listen(self._engine, "connect", lambda connection, _: keep_alive(connection))
        self._connection: Connection | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read-only transaction that sees one state of the database, where the database has such transactions."""
        with self.translate_errors("cannot connect"):
            self._connection = self._engine.connect().execution_options(**self.dialect.isolation)
        try:
            with self.translate_errors("cannot begin"):
                self.dialect.begin(self._connection)
            self._age = SnapshotAge(self.dialect.harm_of_old_snapshots, log=self._log)
            yield self._connection
        finally:
            self.close()

    def look_at_age(self) -> None:
        """Warn if the snapshot is old."""
        if self._age is not None:
            self._age.look()

    @contextmanager
    def translate_errors(self, doing: str) -> Iterator[None]:
        """Turns SQLAlchemy's and the driver's errors into Syncline's; `doing` says what could not be done."""
        try:
            yield
        except (DBAPIError, ReadError, self._engine.dialect.loaded_dbapi.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            message = self._one_line(f"{doing}: {cause}")
            if _is_recovery_conflict(cause):
                raise SynclineError(f"{message}; {_RECOVERY_CONFLICT}") from None
            raise (ConfigurationError if _is_permanent(cause) else SynclineError)(message) from None
        except msgspec.MsgspecError as error:  # databases accept JSON that others do not
            raise ConfigurationError(f"{doing}: a value is not valid JSON: {error}") from None
        except (NotInJsonError, RepeatedNameError) as error:
            raise ConfigurationError(f"{doing}: {error}") from None
        except (SQLAlchemyError, TypeError) as error:  # a driver is called with whatever the URL has after its ?
            raise ConfigurationError(self._one_line(f"{doing}: {error}")) from None

    def _connect(self, dialect: Any, _record: object, arguments: Any, options: Any) -> Any:
        """Logs in where SQLAlchemy would connect, with the password that is right now."""

        def connect() -> Any:
            positional, named = arguments, options
            if (password := self._login.password()) is not None:
                # Each driver has its own place for it.
                positional, named = dialect.create_connect_args(self._engine.url.set(password=password))
                named = {**named, **self._arguments}
            try:
                return dialect.connect(*positional, **named)
            except dialect.loaded_dbapi.Error as error:
                if is_login_refusal(str(error)):
                    raise LoginRefusedError(self._one_line(f"cannot connect: {error}")) from None
                raise

        return self._login.connect(connect)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _one_line(self, text: str) -> str:
        return " ".join(self._redact(text).split())


def _dialect(url: URL) -> Dialect:
    """Imported when needed: each imports its driver."""
    if url.drivername == "postgresql+psycopg":
        from app.connectors.sources.sql.postgres import Postgres  # noqa: PLC0415

        return Postgres()
    if url.get_backend_name() == "sqlite":
        from app.connectors.sources.sql.sqlite import Sqlite  # noqa: PLC0415

        return Sqlite()
    if url.get_backend_name() == "duckdb":
        from app.connectors.sources.sql.duckdb import Duckdb  # noqa: PLC0415

        return Duckdb()
    if url.get_backend_name() in {"mysql", "mariadb"}:
        from app.connectors.sources.sql.mysql import Mysql  # noqa: PLC0415

        return Mysql()
    return Reflected()


def _is_recovery_conflict(cause: BaseException | None) -> bool:
    """Whether a standby has cancelled the statement, or closed the connection, to go on with its replay."""
    return getattr(cause, "sqlstate", None) in _CONFLICT_STATES and "conflict with recovery" in str(cause)


def _is_permanent(cause: BaseException | None) -> bool:
    if state := getattr(cause, "sqlstate", None):
        return str(state).startswith(LASTING_CLASSES)
    # By name, as SQLAlchemy does: not every driver exports the exceptions of PEP 249.
    names = {each.__name__ for each in type(cause).__mro__}
    return "ProgrammingError" in names or any(sign in str(cause) for sign in _PERMANENT)
