"""Runs one command that manages the API's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.bootstrap.owner import owner_connection
from app.store.tokens import TokenAdmin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.config.settings import Settings

Result = TypeVar("Result")


async def with_token_admin(settings: Settings, work: Callable[[TokenAdmin], Awaitable[Result]]) -> Result:
    """Do `work` with the tokens; raises what `owner_connection` does."""
    async with owner_connection(settings, name="syncline token", things="tokens", do="create tokens") as connection:
        return await work(TokenAdmin(connection))
