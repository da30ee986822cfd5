"""What the catalogue was when a worker last told a change of it, and the events about what is different since."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from app.domain.catalogue_parts import Fact, Kind, Part, PartKey, facts_of
from app.domain.events import CATALOGUE_CHANGED
from app.store.database import explaining_missing_rights
from app.store.jsonb import jsonb_text
from app.store.queries import load_statements
from app.store.settling import until_settled

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from app.domain.catalogue_parts import Parts
    from app.store.database import Connection, Pool

_SQL: Final = load_statements("catalogue_parts.sql")


class CatalogueParts:
    """The parts of the catalogue, for the workers that tell what has changed in it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(self, content: Parts, *, by: UUID | None = None) -> Sequence[Fact]:
        """Append what is different from the content that was told last, by whichever worker. Returns the new events.

        The content is noted as that of worker `by`.

        Raises:
            MissingRightError: the login may not write it.
            UnsettledError: other workers kept telling other contents.
        """
        with explaining_missing_rights():
            await self._pool.execute(_SQL["note_content"], by, content.digest)
            return await until_settled(self._pool, partial(self._record, content), "the catalogue of the workers")

    async def is_nobodys(self, worker: UUID | None, digest: str) -> bool:
        """Whether the content that was told last is not this one, and no live worker has it any more.

        This one is noted as that of `worker`.
        """
        await self._pool.execute(_SQL["note_content"], worker, digest)
        found: bool = await self._pool.fetchval(_SQL["is_nobodys"], digest)
        return found

    async def _record(self, content: Parts) -> list[Fact] | None:
        """The events; None if another transaction with a higher id has told a content meanwhile."""
        async with self._pool.acquire() as connection, connection.transaction():
            [(digest, key_id, may_follow)] = await connection.fetch(_SQL["hold_content"])
            if digest == content.digest and key_id == content.key_id:
                return []
            if not may_follow:
                return None
            facts = await _put_parts(connection, content, has_other_key=key_id not in {None, content.key_id})
            await connection.execute(_SQL["put_content"], content.digest, content.key_id)
            if facts:
                types, data = [fact.type for fact in facts], [jsonb_text(fact.data) for fact in facts]
                await connection.execute(_SQL["tell"], types, data)
            return facts


async def _put_parts(connection: Connection, content: Parts, *, has_other_key: bool) -> list[Fact]:
    """Make the stored parts those of the content. Returns what has happened to them.

    With another key no digests can be compared, so only what was added or removed is known.
    """
    stored = {
        PartKey(Kind(kind), name, collection): digest
        for kind, name, collection, digest in await connection.fetch(_SQL["digests_of_parts"])
    }
    gone = [key for key in stored.keys() - content.parts.keys() if not content.does_not_know(key)]
    changed = [key for key, part in content.parts.items() if stored.get(key) != part.digest]
    before = await _get_parts(connection, [*gone, *(key for key in changed if key in stored)])
    after = {key: content.parts[key] for key in changed}
    await connection.execute(_SQL["drop_parts"], *_columns(gone))
    await connection.execute(
        _SQL["put_parts"],
        *_columns(changed),
        [part.digest for part in after.values()],
        [jsonb_text(part.keys) for part in after.values()],
    )
    if not has_other_key:
        return facts_of(before, after)
    known = {
        key
        for key in before.keys() & after.keys()
        # What is wrong with a source is there as text.
        if key.kind is not Kind.REJECTED or before[key].keys == after[key].keys
    }
    facts = facts_of(_without(before, known), _without(after, known))
    return [*facts, Fact(CATALOGUE_CHANGED, {"server": ["secret_key"]})]


async def _get_parts(connection: Connection, keys: Sequence[PartKey]) -> dict[PartKey, Part]:
    rows = await connection.fetch(_SQL["parts"], *_columns(keys))
    return {
        PartKey(Kind(kind), name, collection): Part(digest, digests) for kind, name, collection, digest, digests in rows
    }


def _without(parts: Mapping[PartKey, Part], keys: Collection[PartKey]) -> dict[PartKey, Part]:
    return {key: part for key, part in parts.items() if key not in keys}


def _columns(keys: Sequence[PartKey]) -> list[list[str]]:
    return [list(column) for column in zip(*keys, strict=True)] or [[], [], []]
