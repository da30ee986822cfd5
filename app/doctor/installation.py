"""The installation that is examined: its settings, its database and its catalogue."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from app.connectors.options.passwords import SECONDS as PASSWORD_SECONDS
from app.domain.errors import ConfigurationError
from app.store.database import UNREACHABLE, connect_to_look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.store.address import DatabaseAddress

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

SECONDS: Final = 5.0
"""The longest time for one check, for a connection and for each statement."""

START_UP: Final = {
    "statement_timeout": f"{SECONDS * 1000:.0f}",
    "application_name": "syncline doctor",
}


@dataclass(slots=True)
class Installation:
    """`config` is the file that the command line names; `catalogue` is None until it was read, or if it cannot be."""

    settings: Settings
    config: Path | None
    address: DatabaseAddress | None = None
    catalogue: Catalogue | None = field(default=None, repr=False)

    @property
    def asking_seconds(self) -> float:
        """How much longer a connection may take, because it asks a program for the password."""
        return PASSWORD_SECONDS if self.settings.database_password_command else 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A session with the database itself, past a pooler. It cannot write.

        What should lead past the pooler may be another one in session mode, which refuses settings at the start.
        """
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._session(self._address.direct, START_UP))
            except ConfigurationError as error:
                if not (self._address.pooled and isinstance(error.__cause__, asyncpg.ProtocolViolationError)):
                    raise
                connection = await stack.enter_async_context(self._session(self._address.direct))
            # A setting at the start would make the driver take every server for read-only, and refuse several hosts.
            # A pooler would leave what SET sets to other clients.
            await stack.enter_async_context(connection.transaction(readonly=True))
            yield connection

    @asynccontextmanager
    async def connected_as_service(self) -> AsyncIterator[Connection]:
        """A transaction as API and workers have it, through the pooler and with its settings. It cannot write."""
        async with self._session(self._address.url) as connection, connection.transaction(readonly=True):
            yield connection

    @asynccontextmanager
    async def _session(self, url: str, settings: Mapping[str, str] = {}) -> AsyncIterator[Connection]:
        connection = await connect_to_look(
            url, name="syncline doctor", seconds=SECONDS, password=self._address.password, settings=settings
        )
        try:
            yield connection
        except BaseException:
            # After a timeout the connection may be in the middle of an answer.
            connection.terminate()
            raise
        with suppress(*UNREACHABLE):
            await connection.close(timeout=1)

    @property
    def _address(self) -> DatabaseAddress:
        if self.address is None:
            raise RuntimeError("the database's address is not known yet")
        return self.address
