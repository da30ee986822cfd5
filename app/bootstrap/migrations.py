"""The schema's version: bringing a database to it, and refusing one that is behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

from app.domain.errors import ConfigurationError, DatabaseUnreachableError, SchemaVersionError
from app.store.database import place

if TYPE_CHECKING:
    from app.store.reads import Reader

_ROOT: Final = Path(__file__).parents[2]
_PAUSE_SECONDS: Final = 0.5


def alembic_config(url: str | None = None) -> Config:
    config = Config(_ROOT / "alembic.ini")
    if url:
        config.attributes["url"] = url
    return config


def migrate(url: str, *, patience_seconds: float = 0) -> None:
    """Bring the database to this release's schema; replicas that do it together wait for each other.

    Raises:
        DatabaseUnreachableError: it did not answer within `patience_seconds`.
        SchemaVersionError: the database was migrated by a newer release.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return command.upgrade(alembic_config(url), "head")
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) is not None:
                raise DatabaseUnreachableError(f"migrating {place(url)} failed: {error.orig}") from error
            if time.monotonic() >= deadline:
                raise _unreachable(url, error) from None
            time.sleep(_PAUSE_SECONDS)
        except CommandError as error:
            raise SchemaVersionError(f"{place(url)}: {error}; this release knows {head()}") from error


def _unreachable(url: str, error: OperationalError) -> Exception:
    """A wrong password and a missing database can be told from no answer at all only by libpq's words."""
    text = " ".join(str(error.orig).split())
    if "FATAL" in text and "starting up" not in text:
        return ConfigurationError(f"DATABASE_URL: the server refuses it: {text}")
    return DatabaseUnreachableError(f"PostgreSQL at {place(url)} does not answer: {text}")


def head() -> str:
    """The version of this release's schema."""
    version = _scripts().get_current_head()
    if version is None:
        raise RuntimeError("there are no migrations")
    return version


def is_current(version: str | None) -> bool:
    """Whether this release can work on a schema of this version: its own, or a newer one that it does not know."""
    return version is not None and (version == head() or version not in _known())


async def require_schema(reader: Reader) -> None:
    """Refuse a database whose schema is older than this release's.

    Raises:
        SchemaVersionError: it was not migrated.
    """
    version = await reader.schema_version()
    if not is_current(version):
        state = f"at version {version}" if version else "not made yet"
        raise SchemaVersionError(
            f"the database's schema is {state}, this release needs {head()}: run `syncline migrate`"
        )


def _known() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())
