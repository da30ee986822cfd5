"""The feed of all events, read page by page: nothing is skipped, and nothing comes twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson

from app.domain.errors import EventsGoneError, SynclineError
from app.domain.events import TYPES
from app.domain.feed import (
    BEGINNING,
    END,
    EVERYTHING,
    NOW,
    PREFIX,
    FeedEvent,
    Place,
    Selection,
    public_type,
    read_place,
)
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import asyncpg

    from app.domain.feed import Search
    from app.store.database import Pool

_SQL: Final = load_statements("feed.sql")
# The columns of an event; those after them say how far a search has come.
_COLUMNS: Final = 12
# So many events are looked through for a few: the place goes on, although none of them was wanted.
_MOST_LOOKED_AT: Final = 5_000
# Of a search, which often finds enough among the first.
_FIRST_LOOKED_AT: Final = 500
# A transaction may commit a while after it has taken the time.
_MARGIN: Final = timedelta(minutes=1)


class FeedPage(NamedTuple):
    """Events in their order, and the place up to which this has read; `more` is false if there was nothing after it."""

    events: Sequence[FeedEvent]
    reached: Place
    more: bool


class DocumentPage(NamedTuple):
    """As `FeedPage`, with each event in its envelope, as JSON."""

    documents: Sequence[str]
    reached: Place
    more: bool


class FoundEvents(NamedTuple):
    """Events in the order of a search, and how far it has come.

    It has looked at `looked_at` events up to the place `reached`, which is of the time `reached_at`; both are None if
    there was none to look at. `more` is false if it has looked at all.
    """

    events: Sequence[FeedEvent]
    looked_at: int
    reached: Place | None
    reached_at: datetime | None
    more: bool


class _HowFar(NamedTuple):
    """From where the feed is complete, and with a selection the last event that was looked at, and if there is more."""

    first: Place
    last: tuple[str, str, int, int] | None
    more: bool


class _Bounds(NamedTuple):
    """Where a search begins, the position where it ends at the latest, and how many events are enough."""

    place: Place
    upto: int
    limit: int


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
        rows, how_far = await self._read_next(_SQL["next_events"], after, limit, selection)
        events = [_event(row) for row in rows]
        reached = events[-1].place if events else None
        return FeedPage(events, *await self._end_of_page(how_far, after, reached, is_full=len(events) == limit))

    async def read_documents(self, after: Place, *, limit: int, selection: Selection = EVERYTHING) -> DocumentPage:
        """Read the same page as `read`, with the documents of the events, which PostgreSQL makes: that is much faster.

        Raises:
            EventsGoneError: as in `read`.
        """
        installation = await self.get_installation()
        kinds = {type_: f'","source":"{installation}","type":"{PREFIX}{public_type(type_)}.v' for type_ in TYPES}
        rows, how_far = await self._read_next(_SQL["next_documents"], after, limit, selection, kinds)
        documents = [document for (document,) in rows]
        if None in documents:
            # Another release has recorded a type that this one does not know.
            page = await self.read(after, limit=limit, selection=selection)
            return DocumentPage([event.document(installation) for event in page.events], page.reached, page.more)
        reached = read_place(orjson.loads(documents[-1])["id"]) if documents else None
        end = await self._end_of_page(how_far, after, reached, is_full=len(documents) == limit)
        return DocumentPage(documents, *end)

    async def _read_next(
        self, statement: str, after: Place, limit: int, selection: Selection, *more: Any
    ) -> tuple[list[asyncpg.Record], _HowFar]:
        """The rows of the next events, and how far they were looked for."""
        look_at = limit if selection.is_everything else max(limit, _MOST_LOOKED_AT)
        types = None if selection.types is None else [*selection.types]
        filters = (types, selection.source, selection.collection)
        check = after.is_event, after.check
        *rows, (*_, told) = await self._pool.fetch(statement, *after.key, look_at, limit, *filters, *check, *more)
        how_far = orjson.loads(told)
        first = _complete_from(how_far["gone_upto"] and int(how_far["gone_upto"]))
        # Where reading may begin is known in any case: a server may have given out no position beyond it yet.
        _check_completeness(after, first, is_known=how_far["is_known"] or after == first)
        return rows, _HowFar(first, how_far["last"], more=how_far["read"] == look_at)

    async def _end_of_page(
        self, how_far: _HowFar, after: Place, reached: Place | None, *, is_full: bool
    ) -> tuple[Place, bool]:
        """Where the next page begins, and whether there is more; `reached` is the place of this one's last event."""
        if reached is not None and is_full:
            return reached, True
        if how_far.last is not None:
            position, task, version, check = how_far.last
            return Place(int(position), UUID(task), version, check), how_far.more
        if reached is None:
            reached = after if after.is_event else await self._get_last(after.position, how_far.first)
        return reached, False

    async def search_before(self, search: Search, place: Place, *, limit: int, upto: int = END.position) -> FoundEvents:
        """Find at most `limit` events before a place and not beyond the position `upto`, newest first.

        It looks at a few thousand events: if it has found less, and `more` is true, go on before `reached`.
        """
        statement = _SQL["events_before"] if search.task is None else _SQL["events_of_task_before"]
        return await self._find_page(statement, search, _Bounds(place, upto, limit))

    async def search_after(self, search: Search, place: Place, *, limit: int, upto: int = END.position) -> FoundEvents:
        """The same after a place, oldest first."""
        statement = _SQL["events_after"] if search.task is None else _SQL["events_of_task_after"]
        return await self._find_page(statement, search, _Bounds(place, upto, limit))

    async def _find_page(self, statement: str, search: Search, bounds: _Bounds) -> FoundEvents:
        """Look for one more than is wanted, to see whether there is one."""
        found = await self._find_enough(statement, search, bounds._replace(limit=bounds.limit + 1))
        if len(found.events) <= bounds.limit:
            return found
        events = found.events[: bounds.limit]
        return FoundEvents(events, found.looked_at, events[-1].place, events[-1].at, more=True)

    async def _find_enough(self, statement: str, search: Search, bounds: _Bounds) -> FoundEvents:
        """Look at a few events first, which are mostly enough."""
        first = await self._read_once(statement, search, bounds, max(bounds.limit, _FIRST_LOOKED_AT))
        if not first.more or first.reached is None or len(first.events) == bounds.limit:
            return first
        left = _Bounds(first.reached, bounds.upto, bounds.limit - len(first.events))
        rest = await self._read_once(statement, search, left, _MOST_LOOKED_AT)
        return FoundEvents(
            [*first.events, *rest.events],
            first.looked_at + rest.looked_at,
            rest.reached or first.reached,
            rest.reached_at or first.reached_at,
            rest.more,
        )

    async def _read_once(self, statement: str, search: Search, bounds: _Bounds, look_at: int) -> FoundEvents:
        """Look at the next `look_at` events at most."""
        place, upto, limit = bounds
        types = None if search.types is None else [*search.types]
        texts = search.source, search.collection, search.by, [*search.words]
        task = () if search.task is None else (search.task,)
        rows = await self._pool.fetch(
            statement, *place.key, upto, look_at, limit, types, [*search.without], *texts, *task
        )
        events = [_event(row[:_COLUMNS]) for row in rows if row["type"] is not None]
        looked_at, *last = rows[0][_COLUMNS:]
        reached = None if last[0] is None else Place.of(*last)
        return FoundEvents(events, looked_at, reached, last[-1], more=looked_at == look_at)

    async def find_position_after(self, time: datetime) -> int:
        """A position so that all that happened up to this time is not beyond it."""
        found: int | None = await self._pool.fetchval(_SQL["position_after"], time + _MARGIN)
        return END.position if found is None else found


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


def _event(row: Iterable[Any]) -> FeedEvent:
    position, task, version, type_, v, at, *rest = row
    return FeedEvent(Place.of(position, task, version, at), type_, v, at, *rest)
