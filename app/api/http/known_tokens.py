"""The tokens in the database, cached for a moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.api.http.single_flight import SingleFlight
from app.domain.api_token import TokenScope, is_token
from app.domain.cause import Actor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.store.tokens import Tokens

MEMORY_SECONDS: Final = 1.0
"""How long a revoked token may still be accepted, and a new one be unknown."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a request may do, and who asks."""

    scope: TokenScope
    who: Actor


class KnownTokens:
    """The valid tokens, as the database had them at most `MEMORY_SECONDS` ago.

    All of them are read at once, and only when a request has something that looks like a token. So whatever clients
    send costs the database at most one statement a second, and a revoked token soon stops working everywhere.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._known: Mapping[str, Any] = {}
        self._noted: set[str] = set()
        self._noting: set[asyncio.Task[None]] = set()
        self._until = -MEMORY_SECONDS
        self._refresh = SingleFlight(self._read)

    async def look_up(self, id_: str, given: bytes) -> Granted | None:
        """What the token allows, and its name or else its id; None if it is not valid.

        Raises:
            DatabaseUnreachableError, or one of the driver's errors: it cannot be checked.
        """
        if time.monotonic() >= self._until:
            await self._refresh()
        row = self._known.get(id_)
        if row is None or not is_token(given, row["hash"]):
            return None
        if row["use_is_news"] and id_ not in self._noted:
            self._noted.add(id_)
            noting = asyncio.create_task(self._tokens.note_use(id_))
            self._noting.add(noting)  # the loop keeps only weak references to tasks
            noting.add_done_callback(self._noting.discard)
        return Granted(TokenScope(row["scope"]), Actor("token", row["name"] or id_))

    async def _read(self) -> None:
        began = time.monotonic()
        self._known = await self._tokens.list_valid()
        self._until = began + MEMORY_SECONDS
        self._noted = set()
