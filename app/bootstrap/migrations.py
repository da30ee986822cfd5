"""Migrates a database to this release's schema."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

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
)
from app.store.address import server_of

_ROOT: Final = Path(__file__).parents[2]
_PAUSE_SECONDS: Final = 0.5


def alembic_config(url: str | None = None) -> Config:
    config = Config(_ROOT / "alembic.ini")
    if url:
        config.attributes["url"] = url
    return config


def migrate(url: str, *, patience_seconds: float = 0) -> None:
    """Migrate the database to this release's schema. Replicas that do it at the same time wait for each other.

    Raises:
        DatabaseUnreachableError: it did not answer or accept writes within `patience_seconds`.
        SchemaVersionError: the database was migrated by a newer release.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return command.upgrade(alembic_config(url), "head")
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) is not None:
                raise DatabaseUnreachableError(f"migrating {server_of(url)} failed: {error.orig}") from error
            if time.monotonic() >= deadline:
                raise _unreachable(url, error) from None
        except InternalError as error:
            if not isinstance(error.orig, ReadOnlySqlTransaction):
                raise
            if time.monotonic() >= deadline:
                raise DatabaseUnreachableError(
                    f"migrating {server_of(url)} failed: {DatabaseReadOnlyError()}; migrate the primary, or try later"
                ) from None
        except CommandError as error:
            raise SchemaVersionError(
                f"{server_of(url)}: {error}; this release supports versions up to {head()}"
            ) from error
        time.sleep(_PAUSE_SECONDS)


def _unreachable(url: str, error: OperationalError) -> Exception:
    """Only libpq's text distinguishes a wrong password or a missing database from an unreachable server."""
    text = " ".join(str(error.orig).split())
    if "FATAL" in text and "starting up" not in text:
        return ConfigurationError(f"DATABASE_URL: refused by the server: {text}")
    return DatabaseUnreachableError(f"cannot connect to PostgreSQL at {server_of(url)}: {text}")
