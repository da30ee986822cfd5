"""A connection with the rights of the tables' owner, for single commands."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg

from app.bootstrap.environment import database_in_reach
from app.causes import describe_error
from app.domain.errors import ConfigurationError, DatabaseUnreachableError, SchemaVersionError
from app.store.database import UNREACHABLE, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.config.settings import Settings

_SECONDS = 30
_CLOSING_SECONDS = 2


@asynccontextmanager
async def owner_connection(
    settings: Settings, *, name: str, things: str, do: str
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Open a connection with the login's own role: the application's role may not do this.

    Args:
        settings: where the database is.
        name: the `application_name` that the server shows.
        things: what the command works with, for error messages.
        do: what the command does, for error messages.

    Raises:
        ConfigurationError: no database is configured, or the login does not have the rights of the tables' owner.
        DatabaseUnreachableError: the database does not answer, or the things are locked.
        SchemaVersionError: the schema does not have the things yet.
    """
    address = database_in_reach(settings)
    connection = await connect(address.direct, password=address.password, command_timeout=_SECONDS, name=name)
    try:
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise SchemaVersionError(f"the database schema has no {things} yet: run 'syncline migrate'") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"DATABASE_URL: {error}; {do} with the login that runs migrations, a member of syncline_owner"
        ) from error
    except UNREACHABLE as error:
        locked = f"no answer within {_SECONDS} seconds; another session may hold a lock on the {things}"
        why = describe_error(error) if str(error) else locked
        raise DatabaseUnreachableError(f"the {things} cannot be reached: {why}") from error
    finally:
        with suppress(*UNREACHABLE):
            await connection.close(timeout=_CLOSING_SECONDS)
