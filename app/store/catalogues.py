"""What each catalogue reads its sources with, for those that look at a task later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.errors import SynclineError
from app.store.database import explaining_missing_rights
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.connector import SourceFacts
    from app.store.database import Pool

_SQL: Final = load_statements("catalogues.sql")


class Catalogues:
    """The catalogues that tasks were started with. Each is there once, however many workers have it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get_digest_key(self) -> bytes:
        """Get the random key of this installation.

        Raises:
            MissingRightError: the login may not read it.
            SynclineError: there is none.
        """
        with explaining_missing_rights():
            key: bytes | None = await self._pool.fetchval(_SQL["digest_key"])
        if key is None:
            raise SynclineError(
                "the table syncline.digest_key is empty: restore its row from a backup, set server.secret_key, or run "
                "INSERT INTO syncline.digest_key (key) VALUES (sha256(uuid_send(gen_random_uuid())))"
            )
        return key

    async def register(self, catalogue: str, facts: Mapping[str, SourceFacts], *, key_id: str) -> None:
        """Note the facts of some sources of a catalogue; registering them again is safe.

        Raises:
            MissingRightError: the login may not write them.
        """
        connectors = [each.connector for each in facts.values()]
        columns = (
            [*facts],
            [each.name for each in connectors],
            [each.version for each in connectors],
            [each.config_digest for each in facts.values()],
        )
        with explaining_missing_rights():
            await self._pool.execute(_SQL["register_sources"], catalogue, *columns, key_id)
