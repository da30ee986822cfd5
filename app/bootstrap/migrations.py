"""Migrates a database to this release's schema."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy.exc import InternalError, OperationalError

from app.bootstrap.schema_version import head
from app.domain.errors import (
    ConfigurationError,
    DatabaseReadOnlyError,
    DatabaseUnreachableError,
    SchemaVersionError,
    SynclineError,
)
from app.store.address import server_of

if TYPE_CHECKING:
    from app.connectors.options.passwords import PasswordProgram

_ROOT: Final = Path(__file__).parents[2]
_PAUSE_SECONDS: Final = 0.5


def alembic_config(url: str | None = None, *, password: PasswordProgram | None = None) -> Config:
    config = Config(_ROOT / "alembic.ini")
    if url:
        config.attributes["url"] = url
        config.attributes["password"] = password
    return config


def migrate(url: str, *, password: PasswordProgram | None = None, patience_seconds: float = 0) -> bool:
    """Migrate the database to this release's schema. Replicas that do it at the same time wait for each other.

    If the store has moved to a server with lower transaction ids, its events go on from the newest one from now on.
    Returns whether it has. `password` is asked for the connection, if given.

    Raises:
        DatabaseUnreachableError: it did not answer or accept writes within `patience_seconds`.
        SchemaVersionError: the database was migrated by a newer release.
    """
    deadline = time.monotonic() + patience_seconds
    config = alembic_config(url, password=password)
    config.attributes["follows_the_store"] = True
    while True:
        try:
            command.upgrade(config, "head")
            return bool(config.attributes["has_moved"])
        except ConfigurationError:
            raise
        except (OperationalError, InternalError, SynclineError) as error:
            failure = _failure(url, error, is_late=time.monotonic() >= deadline)
            if failure is error:
                raise
            if failure is not None:
                raise failure from error
        except CommandError as error:
            raise SchemaVersionError(
                f"{server_of(url)}: {error}; this release supports versions up to {head()}"
            ) from error
        time.sleep(_PAUSE_SECONDS)


def _failure(url: str, error: Exception, *, is_late: bool) -> Exception | None:
    """The error to raise; None if another try may help, and it is not too late for it."""
    failed = f"migrating {server_of(url)} failed"
    if isinstance(error, OperationalError):
        if isinstance(error.orig, psycopg.Error) and error.orig.sqlstate is not None:
            return DatabaseUnreachableError(f"{failed}: {error.orig.diag.message_primary or error.orig}")
        return _unreachable(url, error) if is_late else None
    if isinstance(error, InternalError) and not isinstance(error.orig, ReadOnlySqlTransaction):
        return error
    if not is_late:
        return None
    if isinstance(error, InternalError):
        return DatabaseUnreachableError(f"{failed}: {DatabaseReadOnlyError()}; migrate the primary, or try later")
    # Of the program that prints the password.
    return DatabaseUnreachableError(f"{failed}: {error}")


def _unreachable(url: str, error: OperationalError) -> Exception:
    """Only libpq's text distinguishes a wrong password or a missing database from an unreachable server."""
    text = " ".join(str(error.orig).split())
    if "FATAL" in text and "starting up" not in text:
        return ConfigurationError(f"DATABASE_URL: refused by the server: {text}")
    return DatabaseUnreachableError(f"cannot connect to PostgreSQL at {server_of(url)}: {text}")
