"""Tells pages that something has happened, so that they ask for themselves again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import StreamingResponse

from app.api.http.authentication import GRANTED
from app.api.http.errors import RefusedError
from app.domain.errors import EventsGoneError
from app.domain.feed import EVERYTHING
from app.store.database import UNREACHABLE
from app.ui.access import find_viewer
from app.ui.rendering import HEADERS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.responses import Response

    from app.store.feed import FeedPage
    from app.ui.page import View

_QUIET_SECONDS: Final = 15.0
# However much happens, a page asks no more often.
_REST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 600.0
_RETRY_MILLISECONDS: Final = 1000


async def show_live(view: View) -> Response:
    """A stream with `changed` whenever there are new events. It ends after ten minutes, and the page comes again."""
    if view.services.live_feed.is_full:
        raise RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many streams",
            "too many pages are open; close some, or try again later",
        )
    feed = view.services.feed
    page = await feed.read(await feed.get_end(), limit=1)
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_changes(view, page), media_type="text/event-stream", headers=headers)


async def _changes(view: View, page: FeedPage) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + _LONGEST_SECONDS
    yield b"retry: %d\n\n" % _RETRY_MILLISECONDS
    followed = view.services.live_feed.follow(page, EVERYTHING, quiet_seconds=_QUIET_SECONDS)
    async with aclosing(followed):
        try:
            async for messages, reached in followed:
                if loop.time() > ends or await find_viewer({**view.request.scope, GRANTED: None}) is None:
                    return
                if messages:
                    view.shared.forget_before(reached)
                    yield b"event: changed\ndata: .\n\n"
                    await asyncio.sleep(_REST_SECONDS)
                else:
                    yield b": still here\n\n"
        except (*UNREACHABLE, EventsGoneError):
            # After a failover, the page is read again, and so is the end of the feed.
            yield b"event: changed\ndata: .\n\n"
