"""What keeps the tables in order, rarely and by whichever worker comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.leases import Leases
from app.store.log import ensure_partitions

if TYPE_CHECKING:
    from app.store.database import Pool

_EVERY_SECONDS: Final = 3600.0


class Housekeeping:
    """Log partitions for the months to come; rows of workers that are long gone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def step(self) -> float:
        """One round; the seconds until the next."""
        await ensure_partitions(self._pool)
        await Leases(self._pool).forget()
        return _EVERY_SECONDS
