"""Bookmarks that are set by hand, and the history of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from app.domain.attempt_protocol import SetBookmark
from app.domain.cause import NO_CAUSE, Cause
from app.domain.errors import CollectionBusyError
from app.domain.feed import Place
from app.domain.task import task_id
from app.store.queries import load_statements
from app.store.settling import until_settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from app.domain.claim import Claim
    from app.store.database import Pool

_SQL: Final = load_statements("bookmarks.sql")


class BookmarksSet(NamedTuple):
    """The generation that begins with bookmarks that were set, and the place of its event in the feed."""

    generation: int
    place: Place


class Bookmarks:
    """The bookmarks of collections. Values are JSON text."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def set(
        self, source: str, collection: str, given: Mapping[str, str | None], *, cause: Cause = NO_CAUSE
    ) -> BookmarksSet:
        """Set the bookmarks of these destinations, so that the collection's next task reads from there.

        None stands for no bookmark: everything is loaded again, as after a reset. Other destinations keep theirs.

        Raises:
            CollectionBusyError: a task of the collection is running.
            UnsettledError: the bookmarks kept changing.
        """
        values = source, collection, _object(given), cause.data

        async def attempt() -> BookmarksSet | None:
            [row] = await self._pool.fetch(_SQL["set_bookmarks"], *values)
            if row["generation"] is not None:
                return BookmarksSet(row["generation"], Place(row["xid"], row["fact"], 1))
            if row["running"] is not None:
                raise CollectionBusyError(task_id(source, collection, row["running"]), "is running: cancel it, or wait")
            return None

        return await until_settled(self._pool, attempt, f"a bookmark of {source}/{collection}")

    async def get_set_since(self, claim: Claim, destinations: Sequence[str]) -> dict[str, SetBookmark]:
        """Get what the bookmarks that were set mean to each destination; nothing if none were set since a reset."""
        # Before anything was set or reset there is none.
        if not claim.generation:
            return {}
        values = claim.source, claim.collection, claim.generation, destinations
        rows = await self._pool.fetch(_SQL["set_since"], *values)
        return {row["destination"]: SetBookmark(tuple(row["still_valid"]), row["bookmark"]) for row in rows}

    async def list_current(self, source: str, collection: str) -> list[asyncpg.Record]:
        """List the collection's bookmarks by destination, and where in the feed each was saved or set."""
        return await self._pool.fetch(_SQL["current_bookmarks"], source, collection)

    async def list_history(
        self, source: str, collection: str, *, limit: int, destination: str | None = None
    ) -> list[asyncpg.Record]:
        """List the events that have changed the collection's bookmarks, newest first."""
        return await self._pool.fetch(_SQL["bookmark_history"], source, collection, limit, destination)

    async def list_at(self, source: str, collection: str, place: Place) -> dict[str, str | None]:
        """List the bookmarks as they were at a place; None where everything was to be loaded again."""
        rows = await self._pool.fetch(_SQL["bookmarks_at"], source, collection, *place.key)
        return {row["destination"]: row["bookmark"] for row in rows}

    async def knows(self, place: Place) -> bool:
        """Whether the store has the event at a place, or, for a place between events, all events before it."""
        known: bool = await self._pool.fetchval(_SQL["place_is_known"], *place.key, place.is_event, place.check)
        return known


def _object(given: Mapping[str, str | None]) -> str:
    """The JSON object of these texts, which keeps every digit of their numbers."""
    members = (f"{orjson.dumps(name).decode()}:{text or 'null'}" for name, text in given.items())
    return "{" + ",".join(members) + "}"
