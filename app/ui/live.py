"""Tells pages that something has happened, so that they ask for themselves again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from app.domain.errors import EventsGoneError
from app.domain.feed import EVERYTHING
from app.store.database import UNREACHABLE
from app.ui.streams import QUIET_SECONDS, STILL_HERE, check_room, stream, while_allowed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.responses import Response

    from app.store.feed import FeedPage
    from app.ui.page import View

# However much happens, a page asks no more often.
_REST_SECONDS: Final = 1.0


async def show_live(view: View) -> Response:
    """A stream with `changed` whenever there are new events. It ends after ten minutes, and the page comes again."""
    check_room(view.services.live_feed)
    feed = view.services.feed
    page = await feed.read(await feed.get_end(), limit=1)
    return stream(_changes(view, page))


async def _changes(view: View, page: FeedPage) -> AsyncGenerator[bytes]:
    followed = view.services.live_feed.follow(page, EVERYTHING, quiet_seconds=QUIET_SECONDS)
    async with aclosing(while_allowed(view, followed)) as allowed:
        try:
            async for messages, reached in allowed:
                if messages:
                    view.shared.forget_before(reached)
                    yield b"event: changed\ndata: .\n\n"
                    await asyncio.sleep(_REST_SECONDS)
                else:
                    yield STILL_HERE
        except (*UNREACHABLE, EventsGoneError):
            # After a failover, the page is read again, and so is the end of the feed.
            view.shared.forget_all_told()
            yield b"event: changed\ndata: .\n\n"
