"""The API of `syncline dev`, as the commands beside it find it: with a token that is valid as long as it runs."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import asyncpg

from app.client.address import take_left_token, withdraw
from app.domain.api_token import TokenScope, id_in
from app.domain.errors import SynclineError
from app.store.database import UNREACHABLE, connect
from app.store.tokens import TokenAdmin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.connectors.options.passwords import PasswordProgram

_NAME: Final = "syncline dev"
_SECONDS: Final = 30
_CLOSING_SECONDS: Final = 2


@asynccontextmanager
async def token_for_commands(data: Path, direct_url: str, password: PasswordProgram | None) -> AsyncIterator[str]:
    """Create a token, which is revoked at the end; so is one that a `syncline dev` that was killed has left.

    Raises:
        DatabaseUnreachableError: the database does not answer.
    """
    async with _administered(direct_url, password) as admin:
        await _revoke(admin, take_left_token(data))
        token = (await admin.create(_NAME, TokenScope.ADMIN, None)).text
    try:
        yield token
    finally:
        withdraw(data, only=token)
        # Without a database nobody accepts it either; the next start on this directory revokes it.
        with suppress(*UNREACHABLE, asyncpg.PostgresError, SynclineError):
            async with _administered(direct_url, password) as admin:
                await _revoke(admin, token)


@asynccontextmanager
async def _administered(direct_url: str, password: PasswordProgram | None) -> AsyncIterator[TokenAdmin]:
    connection = await connect(direct_url, password=password, name=_NAME, command_timeout=_SECONDS)
    try:
        yield TokenAdmin(connection)
    finally:
        with suppress(*UNREACHABLE):
            await connection.close(timeout=_CLOSING_SECONDS)


async def _revoke(admin: TokenAdmin, token: str | None) -> None:
    """What was left there may be of another database."""
    if token and (id_ := id_in(token)):
        with suppress(SynclineError):
            await admin.revoke(id_)
