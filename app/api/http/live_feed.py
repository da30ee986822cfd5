"""Follows the feed once for all clients of this process, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from app.api.http.followers import Followers
from app.domain.errors import EventsGoneError
from app.domain.feed import BEGINNING, FeedEvent, Place
from app.loops import first_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from app.domain.feed import Selection
    from app.store.feed import Feed, FeedPage

_PAGE: Final = 1000
_MOST_RECENT: Final = 10_000
_LOOK_SECONDS: Final = 0.5


class Followed(NamedTuple):
    """What a follower gets: messages, and the place that was reached with them. None after a quiet time."""

    messages: Sequence[bytes]
    reached: Place


class LiveFeed:
    """The newest events in memory, read by one loop while somebody follows; each becomes a message once.

    A follower that is behind what is in memory reads pages of its own until it has caught up.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        to_message: Callable[[FeedEvent, str], bytes],
        stop: asyncio.Event,
        most_recent: int = _MOST_RECENT,
    ) -> None:
        """Set up; it reads nothing yet.

        Args:
            feed: where events are read.
            to_message: what followers get of an event; the text is the URI of the installation.
            stop: ends all followers.
            most_recent: how many events are kept in memory.
        """
        self._feed = feed
        self._to_message = to_message
        self._stop = stop
        self._most_recent = most_recent
        # All events after `_since` up to `_reached`, with their messages; nothing is known while nobody follows.
        self._recent: deque[tuple[FeedEvent, bytes]] = deque()
        self._since: Place | None = None
        self._reached = BEGINNING
        # How often the store has lost what was read already.
        self._losses = 0
        self._followers = Followers("feed", self._read, at_end=self._forget)
        self._grown = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether one more would be too many."""
        return self._followers.is_full

    async def follow(self, page: FeedPage, selection: Selection, *, quiet_seconds: float) -> AsyncGenerator[Followed]:
        """Yield the selected events from `page` on, and something after each quiet time. Close it when you leave.

        It ends when the process does.

        Raises:
            EventsGoneError: the store has lost events that it has yielded.
        """
        with self._followers.joined():
            installation = await self._feed.get_installation()
            reached, losses = page.reached, self._losses
            yield self._of_page(page, installation)
            while not self._stop.is_set():
                grown = self._grown
                recent = self._after(reached) if losses == self._losses and not page.more else None
                if recent is None:
                    losses = self._losses
                    page = await self._feed.read(reached, limit=_PAGE, selection=selection)
                    if page.reached == reached:
                        await first_of(grown, self._stop, timeout=_LOOK_SECONDS)
                        continue
                    reached = page.reached
                    yield self._of_page(page, installation)
                elif recent:
                    reached = recent[-1][0].place
                    yield Followed([message for event, message in recent if selection.takes(event)], reached)
                elif not await first_of(grown, self._stop, timeout=quiet_seconds):
                    yield Followed([], reached)

    def _of_page(self, page: FeedPage, installation: str) -> Followed:
        return Followed([self._to_message(event, installation) for event in page.events], page.reached)

    async def _read(self) -> float:
        """Read on; returns the seconds until there may be more."""
        stop = self._followers.have_left
        if self._since is None:
            end = await self._feed.get_end()
            if stop.is_set():
                return 0.0
            self._since = self._reached = end
        try:
            page = await self._feed.read(self._reached, limit=_PAGE)
        except EventsGoneError:
            self._forget()
            self._losses += 1
            self._wake()
            return _LOOK_SECONDS
        if stop.is_set():
            return 0.0
        installation = await self._feed.get_installation()
        self._recent.extend((event, self._to_message(event, installation)) for event in page.events)
        while len(self._recent) > self._most_recent:
            self._since = self._recent.popleft()[0].place
        if page.reached != self._reached:
            self._reached = page.reached
            self._wake()
        return 0.0 if page.more else _LOOK_SECONDS

    def _forget(self) -> None:
        self._recent.clear()
        self._since = None

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    def _after(self, place: Place) -> list[tuple[FeedEvent, bytes]] | None:
        """The next events after a place that are in memory, at most a page of them.

        None if that place is not in memory. It may be ahead of what is: if it was lost, only reading tells.
        """
        if self._since is None:
            return None
        newer = 0
        for event, _ in reversed(self._recent):
            if event.place <= place:
                break
            newer += 1
        first = len(self._recent) - newer
        known = self._recent[first - 1][0].place if first else self._since
        return [*islice(self._recent, first, first + _PAGE)] if known == place else None
