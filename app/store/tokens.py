"""The API's tokens as the database keeps them: hashes only."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import asyncpg

from app.domain.api_token import TokenScope, make_token
from app.domain.errors import ConfigurationError, SynclineError
from app.store.database import UNREACHABLE
from app.store.queries import load_statements

if TYPE_CHECKING:
    from datetime import timedelta

    from app.domain.api_token import NewToken
    from app.store.database import Pool

_SQL: Final = load_statements("tokens.sql")


class Tokens:
    """The tokens as the API reads them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_valid(self) -> dict[str, asyncpg.Record]:
        """By id every token that counts now: `scope`, `hash`, and whether a use of it would be news."""
        return {row["id"]: row for row in await self._pool.fetch(_SQL["valid_tokens"])}

    async def note_use(self, id_: str) -> None:
        """Remember that the token was used now. That is no reason to refuse anything: where it fails, it is left."""
        with suppress(*UNREACHABLE, asyncpg.PostgresError, SynclineError):
            await self._pool.execute(_SQL["note_use"], id_)


class TokenAdmin:
    """The tokens as those see them who make and revoke them, over a connection with the rights of the owner."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def create(self, name: str, scope: TokenScope, lifetime: timedelta | None) -> NewToken:
        """Make a token that counts from now on, for `lifetime` or for ever."""
        token = make_token()
        await self._connection.execute(_SQL["create_token"], token.id, name, scope, token.hash, lifetime)
        return token

    async def list(self) -> list[asyncpg.Record]:
        """Every token that ever was, oldest first."""
        return await self._connection.fetch(_SQL["all_tokens"])

    async def revoke(self, id_: str) -> None:
        """End a token; one that is revoked already stays as it is.

        Raises:
            ConfigurationError: there is none of this id.
        """
        if await self._connection.fetchval(_SQL["revoke_token"], id_) is None:
            raise ConfigurationError(f"unknown token {id_}; 'syncline token list' shows all IDs")
