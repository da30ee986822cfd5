"""What became of fire times, for many collections together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from app.store.database import Pool

_SQL: Final = load_statements("timeline.sql")


async def fetch_outcomes(
    pool: Pool, collections: Sequence[tuple[str, str]], start: datetime, end: datetime, span_seconds: float
) -> list[asyncpg.Record]:
    """Fetch what became of the fire times of these collections, one row for each span of time that has some."""
    sources, names = [source for source, _ in collections], [name for _, name in collections]
    return await pool.fetch(_SQL["outcomes"], sources, names, start, end, span_seconds)
