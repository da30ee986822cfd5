"""What became of fire times, for many collections together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from app.store.database import Pool
    from app.store.moments import Moment

_SQL: Final = load_statements("timeline.sql")


class Spans(NamedTuple):
    """The time from `start` to before `end`, in spans of so many seconds."""

    start: datetime
    end: datetime
    seconds: float


async def fetch_outcomes(
    pool: Pool, collections: Sequence[tuple[str, str]], spans: Spans, moment: Moment
) -> list[asyncpg.Record]:
    """Fetch what had become of the fire times of these collections: one row for each span that has some.

    `span` is its number, from 0 on.
    """
    sources, names = [source for source, _ in collections], [name for _, name in collections]
    upto = moment.moment, moment.upto_at, moment.upto_xid
    return await pool.fetch(_SQL["outcomes"], sources, names, *spans, *upto)
