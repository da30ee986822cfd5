"""The store of renewed configurations, for commands that also work without a database."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from app.bootstrap.environment import database_in_reach
from app.connectors.kinds import SOURCES
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.config.sources import Source
    from app.store.renewals import RenewedConfigs


@asynccontextmanager
async def renewed_configs(
    settings: Settings, catalogue: Catalogue, source: Source, *, tell: Callable[[str], None]
) -> AsyncIterator[RenewedConfigs | None]:
    """What connectors have renewed; None if nothing of this source is kept, or, after a line, without a database."""
    async with AsyncExitStack() as stack:
        found = None
        if SOURCES[source.type].renews and catalogue.server.secret_key:
            try:
                found = await stack.enter_async_context(_opened(settings))
            except SynclineError as error:
                tell(f"the connector gets the configuration in the catalogue, even if it has renewed it: {error}")
        yield found


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[RenewedConfigs]:
    # Imported here, because most commands without a database need none of it.
    from app.bootstrap.schema_version import require_schema  # noqa: PLC0415
    from app.store.database import open_pool  # noqa: PLC0415
    from app.store.reads import Reader  # noqa: PLC0415
    from app.store.renewals import RenewedConfigs  # noqa: PLC0415

    async with open_pool(database_in_reach(settings), name="syncline sources", size=1) as pool:
        await require_schema(Reader(pool))
        yield RenewedConfigs(pool)
