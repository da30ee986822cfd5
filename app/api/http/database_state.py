"""The current state of the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import asyncpg

from app.domain.errors import DatabaseLoginError, DatabaseReadOnlyError, StoreMovedError
from app.store.database import UNREACHABLE

if TYPE_CHECKING:
    from app.store.reads import Reader

# Shorter than a probe's timeout, so that the probe gets the reason.
_DATABASE_SECONDS: Final = 3.0


class DatabaseState(NamedTuple):
    """Whether the database works, its migration, and how far projections lag (None without a schema)."""

    database: Literal["ok", "read-only", "moved", "refused", "unreachable"]
    version: str | None = None
    lags: dict[str, float] | None = None


async def look_at_database(reader: Reader) -> DatabaseState:
    """The state of `reader`'s database, within three seconds."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            await reader.require_writable()
            await reader.require_own_positions()
            version = await reader.get_schema_version()
            lags = await reader.get_projection_lags() if version else None
            return DatabaseState("ok", version, lags)
    except DatabaseReadOnlyError:
        return DatabaseState("read-only")
    except StoreMovedError:
        return DatabaseState("moved")
    except DatabaseLoginError:
        return DatabaseState("refused")
    except UNREACHABLE:
        return DatabaseState("unreachable")
    except asyncpg.PostgresError:
        return DatabaseState("ok")
