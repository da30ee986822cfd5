"""The store of renewed configurations, for commands that also work without a database."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from app.bootstrap.environment import database_in_reach
from app.bootstrap.schema_version import require_schema
from app.connectors.kinds import SOURCES
from app.domain.errors import SynclineError
from app.store.database import open_pool
from app.store.reads import Reader
from app.store.renewals import RenewedConfigs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.config.sources import Source


@asynccontextmanager
async def renewed_configs(
    settings: Settings, catalogue: Catalogue, source: Source, *, tell: Callable[[str], None]
) -> AsyncIterator[RenewedConfigs | None]:
    """What connectors have renewed; None if nothing of this source is kept, or, after a line, without a database."""
    async with AsyncExitStack() as stack:
        found = None
        if SOURCES[source.type].renews and catalogue.server.secret_key:
            try:
                address = database_in_reach(settings)
                pool = await stack.enter_async_context(open_pool(address, name="syncline sources", size=1))
                await require_schema(Reader(pool))
                found = RenewedConfigs(pool)
            except SynclineError as error:
                tell(f"the connector gets the configuration in the catalogue, even if it has renewed it: {error}")
        yield found
