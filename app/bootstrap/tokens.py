"""Runs one command that manages the API's tokens."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from app.bootstrap.environment import database_in_reach
from app.causes import describe_error
from app.domain.errors import ConfigurationError, DatabaseUnreachableError, SchemaVersionError
from app.store.database import UNREACHABLE, connect
from app.store.tokens import TokenAdmin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.config.settings import Settings

Result = TypeVar("Result")

_SECONDS = 30
_CLOSING_SECONDS = 2


async def with_token_admin(settings: Settings, work: Callable[[TokenAdmin], Awaitable[Result]]) -> Result:
    """Do `work` over a connection with the login's own role: the application's role cannot create tokens.

    Raises:
        ConfigurationError: no database is configured, or the login does not have the rights of the tables' owner.
        DatabaseUnreachableError: the database does not answer, or the tokens are locked.
        SchemaVersionError: the schema has no tokens yet.
    """
    address = database_in_reach(settings)
    connection = await connect(
        address.direct, password=address.password, command_timeout=_SECONDS, name="syncline token"
    )
    try:
        return await work(TokenAdmin(connection))
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise SchemaVersionError("the database schema has no tokens yet: run 'syncline migrate'") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"DATABASE_URL: {error}; create tokens with the login that runs migrations, a member of syncline_owner"
        ) from error
    except UNREACHABLE as error:
        locked = f"no answer within {_SECONDS} seconds; another session may hold a lock on the tokens"
        why = describe_error(error) if str(error) else locked
        raise DatabaseUnreachableError(f"the tokens cannot be reached: {why}") from error
    finally:
        with suppress(*UNREACHABLE):
            await connection.close(timeout=_CLOSING_SECONDS)
