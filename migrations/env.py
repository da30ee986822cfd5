"""Alembic's environment: one connection, an advisory lock, and the schema in `app.store.tables`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from alembic import context
from sqlalchemy import create_engine, event, make_url, text

from app.bootstrap import environment
from app.store.sessions import PIN_ALL, check_encoding
from app.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect

    from app.connectors.options.passwords import PasswordProgram

# An arbitrary constant that must never change, so that different releases wait for each other.
MIGRATION_LOCK = 7_239_114_650_201

ENTER_INCARNATION = text("SELECT syncline.incarnation() < syncline.enter_incarnation()")

PARTITION = re.compile(r"(events|log_events|fire_times|tasks)_(until_)?\d+(_\d+)?")


def database_url() -> str:
    attributes = context.config.attributes
    url = attributes.get("url") or os.environ.get("DATABASE_DIRECT_URL") or os.environ.get("DATABASE_URL")
    if not url:
        message = "DATABASE_URL is not set: migrations need to know the database"
        raise SystemExit(message)
    return make_url(str(url)).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def is_described(_item: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:  # noqa: FBT001 - Alembic's signature
    """Partitions are created and removed over time, and are not part of the schema."""
    return not (kind == "table" and PARTITION.fullmatch(name or ""))


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name == "syncline"


def migrate(connection: Connection) -> None:
    connection.execute(text("SET search_path = pg_catalog"))
    connection.exec_driver_sql(PIN_ALL)
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema="syncline",
        include_schemas=True,
        include_name=is_ours,
        include_object=is_described,
        compare_server_default=False,
    )
    with context.begin_transaction():
        # Taken before Alembic reads the version, so that of several replicas the first one migrates, and the others do nothing.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS syncline"))
        context.run_migrations()
        if context.config.attributes.get("follows_the_store"):
            context.config.attributes["has_moved"] = connection.scalar(ENTER_INCARNATION)


def password_program() -> PasswordProgram | None:
    """What prints the password, if it is not in the URL."""
    attributes = context.config.attributes
    if "url" in attributes:
        found: PasswordProgram | None = attributes.get("password")
        return found
    return environment.password_program(os.environ.get("DATABASE_PASSWORD_COMMAND"))


def log_in(dialect: Dialect, arguments: Any, options: Any) -> DBAPIConnection:
    if program is None:
        return dialect.connect(*arguments, **options)
    password = program.read()
    try:
        return dialect.connect(*arguments, **{**options, "password": password})
    except dialect.loaded_dbapi.OperationalError:
        # The next try asks anew.
        program.forget(password)
        raise


def connect(dialect: Dialect, _record: Any, arguments: Any, options: Any) -> DBAPIConnection:
    """SQLAlchemy's own first statement already fails in a database that is not UTF8."""
    connection = log_in(dialect, arguments, options)
    try:
        check_encoding(connection.info.parameter_status("server_encoding"))
    except BaseException:
        connection.close()
        raise
    return connection


program = password_program()
engine = create_engine(database_url(), connect_args={"application_name": "syncline migrate"})
event.listen(engine, "do_connect", connect)
try:
    with engine.connect() as connection:
        migrate(connection)
finally:
    engine.dispose()
