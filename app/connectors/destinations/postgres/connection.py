"""Connections to a PostgreSQL destination, and its errors in one line."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.connectors.contract.keepalive import LIBPQ
from app.connectors.contract.logins import Login
from app.connectors.contract.refusals import LASTING_CLASSES, LASTING_REFUSALS, is_login_refusal
from app.connectors.destinations.postgres.tls import tls_parameters
from app.connectors.options.passfile import reads_passfile
from app.connectors.warehouse.layout import quoted
from app.domain.errors import ConfigurationError, DatabaseUnreachableError, LoginRefusedError, SynclineError
from app.domain.postgres_url import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.connectors.contract.passes import Log
    from app.connectors.destinations.postgres.options import PostgresDestinationOptions

_CONNECT_SECONDS = 15
_SETTINGS = {"lock_timeout": "60s", "timezone": "UTC", "datestyle": "ISO, MDY", "client_min_messages": "warning"}
# Rows can also violate the table's own constraints, and other objects can depend on what is to go.
_LASTING_CLASSES = (*LASTING_CLASSES, "23", "2B")
# In messages of any language.
_SYSTEM_COLUMN = re.compile(r"\b(tableoid|[cx]m(in|ax)|ctid)\b")


def connect(options: PostgresDestinationOptions, *, application_name: str, log: Log) -> psycopg.Connection:
    """A connection in autocommit mode and UTC, with a limit on waiting for locks.

    Raises:
        ConfigurationError: the address or the credentials are wrong.
        LoginRefusedError: the credentials are refused, but may be others for the next attempt.
        DatabaseUnreachableError: the server does not answer.
    """
    with tls_parameters(options.ssl) as tls:
        given = _given(options) | tls
        conninfo = make_conninfo(**(_defaults(given) | given), application_name=application_name)
        fixed = options.password.get_secret_value() if options.password else None
        has_password = fixed is not None or "password" in given
        may_change = options.from_files or (not has_password and reads_passfile(given))
        login = Login(fixed, options.password_command, may_change=may_change, log=log)
        connection = login.connect(lambda: _log_in(conninfo, login.password()))
    connection.prepare_threshold = None
    # Not as options of the connection, which poolers refuse. Together, because short attempts spend their time waiting.
    connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in _SETTINGS.items()).encode())
    return connection


def _given(options: PostgresDestinationOptions) -> dict[str, Any]:
    """The parameters of libpq that the user has written, without its application's name, which is Syncline's."""
    parts: dict[str, str | int | None] = {
        "host": options.host,
        "port": options.port,
        "user": options.user,
        "dbname": options.database,
        "sslmode": options.sslmode,
        **options.parameters,
    }
    try:
        given = conninfo_to_dict(options.conninfo, **{key: value for key, value in parts.items() if value is not None})
    except psycopg.ProgrammingError:
        raise ConfigurationError(f"'url' is not a PostgreSQL URL: write {EXAMPLE}") from None
    return {key: value for key, value in given.items() if key != "application_name"}


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a connection has unless the user says otherwise."""
    defaults = {**LIBPQ, "connect_timeout": _CONNECT_SECONDS}
    # The first of several servers that answers may be a standby.
    several = "," in str(given.get("host") or "")
    return {**defaults, "target_session_attrs": "read-write"} if several else defaults


def _log_in(conninfo: str, password: str | None) -> psycopg.Connection:
    given: dict[str, Any] = {} if password is None else {"password": password}
    try:
        # With PostgreSQL's own $1 for parameters: psycopg would take a % in a column's name for a placeholder.
        return psycopg.connect(conninfo, autocommit=True, cursor_factory=psycopg.RawCursor, **given)
    except psycopg.OperationalError as error:
        why = f"cannot connect: {_one_line(str(error))}"
        if is_login_refusal(why):
            raise LoginRefusedError(why) from None
        if any(refusal in why for refusal in LASTING_REFUSALS):
            raise ConfigurationError(why) from None
        raise DatabaseUnreachableError(why) from None


class PostgresSession:
    """Runs the statements that all warehouses share; `connection` is for what only PostgreSQL can do."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def run(self, statement: str, *parameters: Any) -> int:
        return max(0, self.connection.execute(statement.encode(), parameters or None).rowcount)

    def row(self, statement: str, *parameters: Any) -> tuple[Any, ...] | None:
        return self.connection.execute(statement.encode(), parameters or None).fetchone()

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement.encode(), parameters or None).fetchall()


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turns PostgreSQL's errors into Syncline's; `doing` says what failed."""
    try:
        yield
    except psycopg.Error as error:
        message = f"{doing}: {_explain(error)}"
        # That of a refused row of COPY shows the whole row.
        refuses_row = isinstance(error, psycopg.IntegrityError) and (error.diag.context or "").startswith("COPY ")
        if (context := error.diag.context) and not refuses_row:
            message += f" ({_one_line(context)[:200]})"
        if error.sqlstate and error.sqlstate.startswith(_LASTING_CLASSES):
            raise ConfigurationError(message) from error
        raise SynclineError(message) from error


def _explain(error: psycopg.Error) -> str:
    """PostgreSQL's message; for what the user can settle with a statement, that statement."""
    return _explain_row(error) or _explain_table(error) or _primary(error)


def _explain_row(error: psycopg.Error) -> str:
    """For a row that the table refuses."""
    diag, message = error.diag, _primary(error)
    if isinstance(error, psycopg.errors.GeneratedAlways):
        return (
            f"{describe(error)}. Nothing can be loaded into it: leave the field out with 'columns.exclude', or run "
            "ALTER TABLE … ALTER COLUMN … DROP IDENTITY or DROP EXPRESSION"
        )
    if not (diag.schema_name and diag.table_name):
        return ""
    table = quoted(diag.schema_name, diag.table_name)
    if isinstance(error, psycopg.errors.NotNullViolation) and diag.column_name:
        return (
            f"a row has NULL in column {diag.column_name!r} of table {diag.table_name!r}, which is NOT NULL there: "
            f"drop that with ALTER TABLE {table} ALTER COLUMN {quoted(diag.column_name)} DROP NOT NULL, or fill the "
            "field at the source"
        )
    if not (isinstance(error, psycopg.IntegrityError) and diag.constraint_name):
        return ""
    dropping = f"ALTER TABLE {table} DROP CONSTRAINT {quoted(diag.constraint_name)}"
    if isinstance(error, psycopg.errors.UniqueViolation):
        return (
            f"{message}: {_one_line(diag.message_detail or '')} If it is left from an earlier key, drop it with "
            f"{dropping} (DROP INDEX if it is only an index), or load the table anew with 'syncline sources reset "
            "--drop'"
        )
    # Without its details, which may show the whole row.
    return f"{message}. Correct the value at the source, or drop the constraint with {dropping}"


def _explain_table(error: psycopg.Error) -> str:
    """For a table that cannot be as the rows need it."""
    message = _primary(error)
    if isinstance(error, psycopg.errors.DependentObjectsStillExist):
        return f"{describe(error)}. Drop that first, and make it again after the next task"
    if isinstance(error, psycopg.errors.ProgramLimitExceeded) and "index row size" in message:
        return (
            f"{message}: a value of the key is too long for PostgreSQL's indexes. Choose a 'primary_key' with shorter "
            "values, or 'sync_mode: full_refresh' with 'write_mode: replace', which needs no index"
        )
    if isinstance(error, psycopg.errors.DuplicateColumn) and _SYSTEM_COLUMN.search(message):
        return f"{message}: give the field another name with 'columns.rename', or leave it out with 'columns.exclude'"
    if isinstance(error, psycopg.errors.TooManyColumns):
        return (
            f"{message}: leave fields out with 'columns.exclude'; or if columns were dropped, which still count, load "
            "the table anew with 'syncline sources reset --drop'"
        )
    return ""


def describe(error: psycopg.Error) -> str:
    """PostgreSQL's message with its details."""
    detail = "; ".join(map(_one_line, (error.diag.message_detail or "").split("\n"))).rstrip(".")
    return f"{_primary(error)} ({detail})" if detail else _primary(error)


def _primary(error: psycopg.Error) -> str:
    return _one_line(error.diag.message_primary or str(error) or type(error).__name__)


def _one_line(message: str) -> str:
    return " ".join(message.split())
