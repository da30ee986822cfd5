"""Renewed configurations outside of attempts, which keep theirs with an event (see `app.store.queue`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from app.domain.renewal import Owner, SealedConfig
from app.store.database import explaining_missing_rights
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.domain.renewal import Renewal
    from app.store.database import Pool

_SQL: Final = load_statements("renewals.sql")


class RenewedConfigs:
    """The newest configuration that each program has made of each one in the catalogue."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, owners: Collection[Owner]) -> dict[Owner, list[SealedConfig]]:
        """Get what these have renewed, newest first.

        Raises:
            MissingRightError: the login may not look.
        """
        names = [owner.role for owner in owners], [owner.name for owner in owners]
        with explaining_missing_rights():
            rows = await self._pool.fetch(_SQL["renewed_configs"], *names)
        found: dict[Owner, list[SealedConfig]] = {}
        for row in rows:
            sealed = SealedConfig(key_id=row["key_id"], digest=row["digest"], sealed=row["sealed"])
            found.setdefault(Owner(row["role"], row["name"]), []).append(sealed)
        return found

    async def keep(self, renewal: Renewal) -> None:
        """Keep what a check or a discovery has renewed, unless somebody has renewed it since.

        Raises:
            MissingRightError: the login may not keep it.
        """
        owner, config = renewal.owner, renewal.config
        if config is not None:
            age = time.monotonic() - renewal.at
            values = (config.key_id, config.digest, config.sealed, age)
            with explaining_missing_rights():
                await self._pool.execute(_SQL["keep_renewed_config"], owner.role, owner.name, *values)
