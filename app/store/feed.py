"""The feed of all events, read page by page: nothing is skipped, and nothing comes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import orjson

from app.domain.errors import EventsGoneError, SynclineError
from app.domain.feed import BEGINNING, EVERYTHING, NOW, FeedEvent, Place, Selection
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from app.store.database import Pool

_SQL: Final = load_statements("feed.sql")
# So many events are looked through for a few: the place goes on, although none of them was wanted.
_MOST_LOOKED_AT: Final = 5_000


class FeedPage(NamedTuple):
    """Events in their order, and the place up to which this has read; `more` is false if there was nothing after it."""

    events: Sequence[FeedEvent]
    reached: Place
    more: bool


class Feed:
    """Reads the feed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._installation: str | None = None

    async def get_installation(self) -> str:
        """Get the URI of this store: another one for each, and the same after a move to another server.

        Raises:
            SynclineError: the row that it is made of is missing.
        """
        if self._installation is None:
            found = await self._pool.fetchval(_SQL["installation"])
            if found is None:
                raise SynclineError("the table syncline.digest_key is empty: restore its row from a backup")
            self._installation = f"urn:uuid:{found}"
        return self._installation

    async def get_start(self) -> Place:
        """Get the first place from which the store has every event."""
        return _complete_from(await self._pool.fetchval(_SQL["gone_upto"]))

    async def get_end(self) -> Place:
        """Get the place of the last event that can be read now, or of the start if there is none after it."""
        return await self._get_last(None, await self.get_start())

    async def find_place(self, after: Place | None) -> Place:
        """The place to read from: that which a client gives, the end for `NOW`, and the start for None."""
        if after is None:
            return await self.get_start()
        return await self.get_end() if after == NOW else after

    async def _get_last(self, position: int | None, otherwise: Place) -> Place:
        """The place of the last event, up to that position; `otherwise` if that is beyond it."""
        row = await self._pool.fetchrow(_SQL["last_event"], position)
        return max(Place.of(*row), otherwise) if row else otherwise

    async def read(self, after: Place, *, limit: int, selection: Selection = EVERYTHING) -> FeedPage:
        """Read at most `limit` of the selected events after a place.

        With a selection, a page may have fewer events, or none, although more are there. A page reaches up to an event
        and never to the horizon: after a failover, positions beyond the last event may be given out again.

        Raises:
            EventsGoneError: the store lacks events after that place, or the one that is there.
        """
        look_at = limit if selection.is_everything else max(limit, _MOST_LOOKED_AT)
        types = None if selection.types is None else [*selection.types]
        filters = (types, selection.source, selection.collection)
        check = after.is_event, after.check
        rows = await self._pool.fetch(_SQL["next_events"], *after.key, look_at, limit, *filters, *check)
        how_far = orjson.loads(rows.pop()["details"])
        first = _complete_from(how_far["gone_upto"] and int(how_far["gone_upto"]))
        # Where reading may begin is known in any case: a server may have given out no position beyond it yet.
        _check_completeness(after, first, is_known=how_far["is_known"] or after == first)
        events = [_event(row) for row in rows]
        if len(events) == limit:
            return FeedPage(events, events[-1].place, more=True)
        if last := how_far["last"]:
            position, task, version, check_of_last = last
            reached = Place(int(position), UUID(task), version, check_of_last)
        else:
            reached = after if after.is_event else await self._get_last(after.position, first)
        return FeedPage(events, reached, more=how_far["read"] == look_at)


def _complete_from(gone_upto: int | None) -> Place:
    return BEGINNING if gone_upto is None else Place.after_all_of(gone_upto)


def _check_completeness(after: Place, first: Place, *, is_known: bool) -> None:
    if after < first:
        raise EventsGoneError(f"events after {after} were removed by retention; read from {first}", first=str(first))
    if not is_known:
        raise EventsGoneError(
            f"the store does not have {after}: it was restored, or has lost its last events in a failover; go on from "
            f"an event that you have seen before it, or read everything again from {first}",
            first=str(first),
        )


def _event(row: asyncpg.Record) -> FeedEvent:
    position, task, version, type_, v, at, *rest = row
    return FeedEvent(Place.of(position, task, version, at), type_, v, at, *rest)
