"""Destinations that cannot be reached, as all workers know them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from app.store.database import Pool

_SQL: Final = load_statements("outages.sql")
_FORGOTTEN: Final = timedelta(hours=1)
# Longer than it takes to give up a connection to a destination: after that, the attempt is taken for lost.
_LONGEST_PROBE: Final = timedelta(minutes=2)


class Outage(NamedTuple):
    """A destination that cannot be reached; an attempt may try it again at `probe_at`, which is in `seconds`."""

    destination: str
    since: datetime
    probe_at: datetime
    seconds: float
    error: str


class Outages:
    """The outages, for the workers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_current(self) -> list[Outage]:
        """List the outages that go on."""
        return [Outage(*row) for row in await self._pool.fetch(_SQL["current_outages"], _FORGOTTEN)]

    async def begin_probe(self, destinations: Collection[str]) -> set[str]:
        """Let the caller try these destinations again, and nobody else; none if it is not its turn."""
        rows = await self._pool.fetch(_SQL["begin_probe"], [*destinations], _LONGEST_PROBE)
        return {row["destination"] for row in rows}

    async def report(
        self,
        destination: str,
        sources: Sequence[str],
        error: str,
        *,
        is_probe: bool,
        first: timedelta,
        longest: timedelta,
    ) -> None:
        """Note that a destination of these sources cannot be reached.

        The next probe comes after `first`, later ones after up to `longest`.
        """
        values = (_FORGOTTEN, destination, [*sources], error, first, longest, is_probe)
        await self._pool.execute(_SQL["report_outage"], *values)

    async def end(self, destination: str) -> bool:
        """Forget an outage; returns whether there was one."""
        ended: bool = await self._pool.fetchval(_SQL["end_outage"], destination)
        return ended
