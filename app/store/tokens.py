"""The API's tokens in the database, which has only their hashes."""

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
    """The tokens, as the API uses them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_valid(self) -> dict[str, asyncpg.Record]:
        """List the valid tokens by id: `name`, `scope`, `hash`, and `use_is_news`: whether to record its next use."""
        return {row["id"]: row for row in await self._pool.fetch(_SQL["valid_tokens"])}

    async def note_use(self, id_: str) -> None:
        """Record that the token was used now. A failure is ignored: it is no reason to refuse the request."""
        with suppress(*UNREACHABLE, asyncpg.PostgresError, SynclineError):
            await self._pool.execute(_SQL["note_use"], id_)


class TokenAdmin:
    """Creates and revokes tokens, over a connection with the rights of the tables' owner."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def create(self, name: str, scope: TokenScope, lifetime: timedelta | None) -> NewToken:
        """Create a token that is valid for `lifetime` from now; None forever."""
        token = make_token()
        await self._connection.execute(_SQL["create_token"], token.id, name, scope, token.hash, lifetime)
        return token

    async def list(self) -> list[asyncpg.Record]:
        """List all tokens, including expired and revoked ones, oldest first."""
        return await self._connection.fetch(_SQL["all_tokens"])

    async def revoke(self, id_: str) -> None:
        """Revoke a token; does nothing if it is already revoked.

        Raises:
            ConfigurationError: no token has this id.
        """
        if await self._connection.fetchval(_SQL["revoke_token"], id_) is None:
            raise ConfigurationError(f"unknown token {id_}; 'syncline token list' shows all IDs")
